//! Only regular files of an image are opened. To open a device acts on the node, and to open a named pipe waits for a writer.

use std::fs::FileType;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Whether there is a regular file at `path`, as this process sees it; false if there is nothing.
///
/// # Errors
/// Something else is there, or this process must not look.
pub fn is_at(path: &Path) -> Result<bool> {
    match path.metadata() {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        metadata => {
            let metadata = metadata.with_context(|| format!("cannot look for `{}`", path.display()))?;
            ensure(path, metadata.file_type()).map(|()| true)
        }
    }
}

/// # Errors
/// The type that was `found` at `path` of an image is not that of a regular file; the error names it.
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
    fn a_missing_file_is_no_error_but_a_device_is() {
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
