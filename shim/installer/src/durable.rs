//! Files that a node needs to start: after a power loss each is the old one or the new one, and whole.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// The links in a row that Linux follows (`path_resolution(7)`).
const LINKS: u32 = 40;

/// The mode of a configuration that was not there: everybody may read it, as containerd's package has it.
const MODE: u32 = 0o644;

/// What a new file takes over.
pub struct Attributes {
    /// Who may read, write and execute it.
    pub mode: Permissions,
    /// Its user and group. `None`: those of this process.
    pub owner: Option<(u32, u32)>,
}

impl Attributes {
    /// Those of the file at `path`; for a new file, those of containerd's own configuration.
    pub fn for_file(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(file) => Ok(Self { mode: file.permissions(), owner: Some((file.uid(), file.gid())) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { mode: Permissions::from_mode(MODE), owner: None })
            }
            Err(error) => Err(error),
        }
    }
}

/// Replaces the file at `path`, or the one that a link there leads to, in one step: a program that runs from it goes on, and a
/// reader never sees half a file. When this returns, the new file survives a power loss.
pub fn replace(path: &Path, content: &[u8], attributes: &Attributes) -> io::Result<()> {
    let path = follow(path)?;
    let folder = folder(&path);
    create(folder)?;
    // In the same folder, so that the rename stays in one file system. Its name is new: no link leads elsewhere.
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    if let Some((user, group)) = attributes.owner {
        fchown(&file, Some(user), Some(group))?;
    }
    // After the owner, whose change takes rights away. Without the bits that give a program another user.
    file.as_file().set_permissions(Permissions::from_mode(attributes.mode.mode() & 0o777))?;
    // Before the rename: else the new name could survive a power loss, and the content not.
    file.as_file().sync_all()?;
    file.persist(&path)?;
    sync(folder)
}

/// Removes the file at `path`, or the one that a link there leads to.
pub fn remove(path: &Path) -> io::Result<()> {
    let path = follow(path)?;
    fs::remove_file(&path)?;
    sync(folder(&path))
}

/// Where a link at `path` leads to in the end, which need not be there. `path` itself if it is no link.
pub fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        if !path.is_symlink() {
            return Ok(path);
        }
        path = folder(&path).join(fs::read_link(&path)?);
    }
    Err(io::Error::other(format!("more than {LINKS} links in a row, the last is {}", path.display())))
}

/// Makes a folder and those above it.
fn create(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = self::folder(folder);
    create(above)?;
    fs::create_dir(folder)?;
    sync(above)
}

fn folder(path: &Path) -> &Path {
    path.parent().expect("a file is in a folder")
}

/// Writes a folder's names to the disk.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
