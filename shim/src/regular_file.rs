//! Regular files: the only ones of an image that are opened. To open a device acts on the node, and to open a named pipe waits for
//! a writer.

use std::fs::FileType;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Whether a regular file is at `path`, as this process sees it; false where nothing is.
///
/// # Errors
/// Something else is there, or this process may not look.
pub fn is_at(path: &Path) -> Result<bool> {
    match path.metadata() {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        metadata => {
            let metadata = metadata.with_context(|| format!("cannot look for `{}`", path.display()))?;
            ensure(path, metadata.file_type()).map(|()| true)
        }
    }
}

/// Refuses what was `found` at `path` of an image, unless it is a regular file.
///
/// # Errors
/// It is something else; the error says what.
pub fn ensure(path: &Path, found: FileType) -> Result<()> {
    let kind = if found.is_fifo() {
        "a named pipe"
    } else if found.is_socket() {
        "a socket"
    } else if found.is_char_device() || found.is_block_device() {
        "a device"
    } else {
        "a folder"
    };
    ensure!(found.is_file(), "invalid file \"{}\" in the image: expected a regular file, found {kind}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_told_from_what_is_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(is_at(file.path()).unwrap());
        for missing in ["missing", "missing/below"] {
            assert!(!is_at(&file.path().with_file_name(missing)).unwrap());
        }
        assert!(!is_at(&file.path().join("below-a-file")).unwrap());
        let error = is_at(Path::new("/dev/null")).unwrap_err().to_string();
        assert_eq!(error, "invalid file \"/dev/null\" in the image: expected a regular file, found a device");
    }
}
