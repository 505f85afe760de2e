//! The container's `HOME`, if its environment has none: from the image's `/etc/passwd` (passwd(5)).
//!
//! The function of the C library is not used: it would load a library that the image's `/etc/nsswitch.conf` names.

use std::path::Path;

use anyhow::{Context, Result};

use crate::image_root::ImageRoot;

const PASSWD: &str = "/etc/passwd";

/// The largest file that is read, bytes: some ten thousand users. The image may have a file of any size.
const LARGEST: u64 = 1 << 20;

/// The home of a user that the image does not know, as with runc.
const UNKNOWN: &str = "/";

/// The home folder of the user `uid`.
///
/// # Errors
/// The file is not a regular one, is too large, or cannot be read.
pub fn for_user(root: &ImageRoot, uid: u32) -> Result<String> {
    let text = root
        .read(Path::new(PASSWD), LARGEST)
        .context("the container's HOME is not known; set it in its environment")?;
    let text = text.unwrap_or_default();
    Ok(find(&String::from_utf8_lossy(&text), uid).unwrap_or(UNKNOWN).to_owned())
}

/// Each line is `NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL`. The first line with the user counts, as in the C library.
fn find(passwd: &str, uid: u32) -> Option<&str> {
    let line = passwd.lines().find(|line| line.split(':').nth(2).and_then(|field| field.parse().ok()) == Some(uid))?;
    // An environment variable cannot contain a NUL.
    line.split(':').nth(5).filter(|home| !home.is_empty() && !home.contains('\0'))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn the_home_is_in_the_line_of_the_user() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbad line\napp:x:65532:65532::/home/app:\nempty:x:7:7:::\n\
            nul:x:8:8::/a\0b:\nagain:x:0:0::/other:/bin/sh\n";
        assert_eq!(
            [0, 65532, 7, 8, 9].map(|uid| find(passwd, uid)),
            [Some("/root"), Some("/home/app"), None, None, None]
        );
    }

    #[test]
    fn without_a_file_or_a_line_the_home_is_the_root_folder() {
        let image = tempfile::tempdir().unwrap();
        let root = ImageRoot::open(image.path()).unwrap();
        assert_eq!(for_user(&root, 5).unwrap(), "/");
        fs::create_dir(image.path().join("etc")).unwrap();
        fs::write(image.path().join("etc/passwd"), "app:x:5:5::/app:\n").unwrap();
        assert_eq!(for_user(&root, 5).unwrap(), "/app");
        assert_eq!(for_user(&root, 6).unwrap(), "/");
    }

    #[test]
    fn a_named_pipe_is_refused_with_advice() {
        let image = tempfile::tempdir().unwrap();
        fs::create_dir(image.path().join("etc")).unwrap();
        // To open it would block for ever.
        mknodat(CWD, image.path().join("etc/passwd"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let error = format!("{:#}", for_user(&ImageRoot::open(image.path()).unwrap(), 5).unwrap_err());
        assert!(
            error.contains("set it in its environment")
                && error
                    .contains("invalid file \"/etc/passwd\" in the image: expected a regular file, found a named pipe"),
            "{error}"
        );
    }
}
