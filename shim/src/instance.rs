//! A container as containerd's task service sees it.

use chrono::{DateTime, Utc};
use containerd_shimkit::sandbox::sync::WaitableCell;
use containerd_shimkit::sandbox::{Error, Instance as SandboxInstance, InstanceConfig};

use crate::container::Container;
use crate::exit::Exit;
use crate::prepare;

/// What is reported where the end of the container was not seen.
const EXIT_UNKNOWN: u32 = 255;

/// One container: a Spin application or an ordinary Linux one.
pub struct Instance {
    container: Container,
    exit: WaitableCell<(u32, DateTime<Utc>)>,
}

impl SandboxInstance for Instance {
    async fn new(id: String, config: &InstanceConfig) -> Result<Self, Error> {
        let code = prepare::compiled(&config.bundle);
        Ok(Self { container: Container::build(id, config.clone(), code)?, exit: WaitableCell::new() })
    }

    async fn start(&self) -> Result<u32, Error> {
        // Whatever happens below, somebody may already wait.
        let guard = self.exit.clone().set_guard_with(|| (EXIT_UNKNOWN, Utc::now()));
        let pid = self.container.pid()?;
        // Watched before it can end.
        let exit = Exit::of(pid)?;
        self.container.start()?;
        let cell = self.exit.clone();
        tokio::spawn(async move {
            let _guard = guard;
            match exit.code().await {
                Ok(code) => drop(cell.set((code, Utc::now()))),
                Err(error) => log::error!("cannot wait for process {pid}: {error:#}"),
            }
        });
        Ok(pid.cast_unsigned())
    }

    async fn kill(&self, signal: u32) -> Result<(), Error> {
        Ok(self.container.kill(signal)?)
    }

    async fn delete(&self) -> Result<(), Error> {
        Ok(self.container.delete()?)
    }

    async fn wait(&self) -> (u32, DateTime<Utc>) {
        *self.exit.wait().await
    }
}
