//! The root file system of an image, read from outside of its container, by a process that is root on the node.
//!
//! To look for a file does not open it, and only regular files are opened ([`regular_file`]).

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;

use crate::regular_file;

/// A root file system, held open.
pub struct ImageRoot(OwnedFd);

impl ImageRoot {
    /// The root file system mounted at `folder`.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn open(folder: &Path) -> Result<Self> {
        let opened = open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        opened.map(Self).with_context(|| format!("cannot open the container's root `{}`", folder.display()))
    }

    /// The content of the file at `path`; none if there is no file. Links are followed as in the container: they never lead out
    /// of the image.
    ///
    /// # Errors
    /// It is not a regular file, has more than `largest` bytes, or cannot be read.
    pub fn read(&self, path: &Path, largest: u64) -> Result<Option<Vec<u8>>> {
        let shown = path.display();
        let Some(file) = self.find(path).with_context(|| format!("cannot look for `{shown}` in the image"))? else {
            return Ok(None);
        };
        regular_file::ensure(path, file.metadata()?.file_type())?;
        // The file that was checked above. The name may lead to another file by now.
        let reopened = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        let file = File::open(reopened).with_context(|| format!("cannot open `{shown}` in the image"))?;
        let mut bytes = Vec::new();
        file.take(largest + 1)
            .read_to_end(&mut bytes)
            .with_context(|| format!("cannot read `{shown}` in the image"))?;
        ensure!(bytes.len() as u64 <= largest, "`{shown}` in the image is larger than {largest} bytes");
        Ok(Some(bytes))
    }

    /// Whether there is a regular file at `path`.
    pub fn has_file(&self, path: &Path) -> bool {
        self.find(path).is_ok_and(|file| file.is_some_and(|file| file.metadata().is_ok_and(|it| it.is_file())))
    }

    /// A handle of the file at `path` for its metadata. It does not open a device, and does not wait for a pipe.
    fn find(&self, path: &Path) -> Result<Option<File>, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match openat2(&self.0, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Ok(file) => Ok(Some(file.into())),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    fn text(root: &ImageRoot, path: &str) -> Option<String> {
        root.read(Path::new(path), 6).unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn an_image_is_read_without_leaving_it() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "outside").unwrap();
        let image = tempfile::tempdir().unwrap();
        fs::write(image.path().join("file"), "inside").unwrap();
        symlink("/file", image.path().join("link")).unwrap();
        symlink(outside.path().join("secret"), image.path().join("absolute")).unwrap();
        symlink("../../../../../../etc/passwd", image.path().join("relative")).unwrap();
        let root = ImageRoot::open(image.path()).unwrap();
        for path in ["/file", "/link", "file", "/../file"] {
            assert_eq!(text(&root, path).as_deref(), Some("inside"), "{path}");
        }
        for path in ["/absolute", "/relative", "/missing", "/file/below"] {
            assert_eq!(text(&root, path), None, "{path}");
        }
        root.read(Path::new("/file"), 5).unwrap_err();
        assert!(root.has_file(Path::new("/link")) && !root.has_file(Path::new("/absolute")));
    }

    #[test]
    fn only_regular_files_are_opened() {
        let image = tempfile::tempdir().unwrap();
        // To open the pipe would block for ever.
        mknodat(CWD, image.path().join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let _socket = UnixListener::bind(image.path().join("socket")).unwrap();
        symlink("pipe", image.path().join("link")).unwrap();
        let root = ImageRoot::open(image.path()).unwrap();
        for (path, kind) in
            [("/pipe", "a named pipe"), ("/link", "a named pipe"), ("/socket", "a socket"), ("/", "a folder")]
        {
            let error = root.read(Path::new(path), 6).unwrap_err().to_string();
            assert_eq!(error, format!("invalid file \"{path}\" in the image: expected a regular file, found {kind}"));
            assert!(!root.has_file(Path::new(path)));
        }
    }
}
