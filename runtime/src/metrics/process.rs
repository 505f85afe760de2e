//! `process_*`: what the kernel counts for this process. It opens no file once it serves, so what has to be read later is opened before.

use std::fs::File;
use std::io::{self, BufReader, Seek};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use procfs_core::FromRead;
use procfs_core::process::Stat;
use rustix::fs::{Mode, OFlags, RawDir, SeekFrom, open, seek};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// The files of /proc about this process.
#[derive(Debug)]
pub(super) struct Process {
    stat: File,
    /// A folder with an entry for each open file.
    files: OwnedFd,
    max_files: Option<u64>,
    /// Since 1970.
    started: Duration,
}

/// What they say at one time.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) cpu: Duration,
    pub(super) open_files: u64,
    pub(super) max_files: Option<u64>,
    /// Bytes.
    pub(super) virtual_memory: u64,
    /// Bytes.
    pub(super) resident_memory: u64,
    /// Since 1970.
    pub(super) started: Duration,
}

impl Process {
    /// # Errors
    /// /proc is not there, or is another one's.
    pub(super) fn open() -> io::Result<Self> {
        let stat = File::open("/proc/self/stat")?;
        let files = open("/proc/self/fd", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let started = started(&read(&stat)?);
        Ok(Self { stat, files, max_files: getrlimit(Resource::Nofile).current, started })
    }

    /// # Errors
    /// The kernel does not say.
    pub(super) fn usage(&self) -> io::Result<Usage> {
        let stat = read(&self.stat)?;
        Ok(Usage {
            cpu: ticks(stat.utime + stat.stime),
            open_files: count(&self.files)?,
            max_files: self.max_files,
            virtual_memory: stat.vsize,
            resident_memory: stat.rss * page_size() as u64,
            started: self.started,
        })
    }
}

/// Reads the file from its beginning: the kernel writes it anew.
fn read(mut stat: &File) -> io::Result<Stat> {
    stat.rewind()?;
    Stat::from_read(BufReader::new(stat)).map_err(io::Error::other)
}

fn count(folder: &OwnedFd) -> io::Result<u64> {
    seek(folder, SeekFrom::Start(0))?;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(folder, &mut buffer);
    let mut count = 0;
    while let Some(entry) = entries.next() {
        count += u64::from(!entry?.file_name().to_bytes().starts_with(b"."));
    }
    Ok(count)
}

fn ticks(number: u64) -> Duration {
    Duration::from_secs_f64(number as f64 / clock_ticks_per_second() as f64)
}

/// The kernel counts from the start of the machine.
fn started(stat: &Stat) -> Duration {
    let up = clock_gettime(ClockId::Boottime);
    let up = Duration::new(up.tv_sec.unsigned_abs(), up.tv_nsec.unsigned_abs() as u32);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    now.saturating_sub(up.saturating_sub(ticks(stat.starttime)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_this_process() {
        let process = Process::open().unwrap();
        let before = process.usage().unwrap();
        let files: Vec<_> = (0..3).map(|_| File::open("/dev/null").unwrap()).collect();
        let memory = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = process.usage().unwrap();
        assert!(after.open_files >= before.open_files + 3, "{before:?} {after:?}");
        assert!(after.resident_memory >= before.resident_memory + (50 << 20), "{before:?} {after:?}");
        assert!(after.virtual_memory > after.resident_memory && after.cpu >= before.cpu);
        let age = SystemTime::UNIX_EPOCH.elapsed().unwrap().saturating_sub(after.started);
        assert!(age < Duration::from_mins(10), "{age:?}");
        drop((files, memory));
    }
}
