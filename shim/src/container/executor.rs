//! The steps of the container's process after libcontainer has moved it into its namespaces: the last checks, then the program or
//! the application.

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;

use anyhow::{Context, Result};
use httpserver_runtime::cache::Entry;
use httpserver_runtime::shutdown::hold_signals;
use libcontainer::workload::default::DefaultExecutor;
use libcontainer::workload::{Executor as LibExecutor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError};
use oci_spec::runtime::Spec;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::container::privileges::labels::{self, Kind};
use crate::container::{exit, linux_program, privileges, spin_app};
use crate::descriptors;

/// Runs a Linux program or, if there is none, a Spin application.
#[derive(Clone)]
pub struct Executor {
    code: Rc<Cell<Option<Entry>>>,
    is_linux: OnceCell<bool>,
}

impl Executor {
    /// `code` is the application's compiled code, if there is any.
    pub fn new(code: Option<Entry>) -> Self {
        Self { code: Rc::new(Cell::new(code)), is_linux: OnceCell::new() }
    }

    fn is_linux(&self, spec: &Spec) -> bool {
        *self.is_linux.get_or_init(|| linux_program::is_program(spec))
    }

    /// Closes the descriptors of the node. libcontainer only marks them, so that an `execve` closes them.
    fn leave_node(&self) -> Result<()> {
        // The log is one of these descriptors.
        log::set_max_level(log::LevelFilter::Off);
        let code = self.code.take();
        let kept = code.as_ref().map(|code| code.as_fd().as_raw_fd());
        self.code.set(code);
        // SAFETY: the owner of each is the logger, which is off, or is in a stack frame to which this process, a fork, never returns.
        unsafe { descriptors::close_where(|it| Some(it) != kept && !descriptors::is_libcontainers(it)) }
    }
}

impl LibExecutor for Executor {
    /// The last step of the container's creation, and the first one in which the container's whole file system is in place. No
    /// file of the image was opened before.
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        let ready = || {
            self.leave_node()?;
            // There is only one thread, so all later threads have no more rights than this one, and its profile.
            privileges::check(spec)?;
            let kind = if self.is_linux(spec) { Kind::Program } else { Kind::Application };
            labels::apply(spec, kind)?;
            // Without its shim nothing could end or replace the container. After the change of user, which would reset this.
            set_parent_process_death_signal(Some(Signal::KILL)).context("cannot tie the container to its shim")
        };
        // A SIGTERM before the start would be dropped. A program would inherit what is blocked.
        let ready = ready().and_then(|()| if self.is_linux(spec) { Ok(()) } else { hold_signals() });
        ready.map_err(|error| ExecutorValidationError::ArgValidationError(format!("{error:#}")))
    }

    fn setup_envs(&self, environment: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        // Our own server reads the container's environment from the specification.
        if self.is_linux.get() == Some(&true) { DefaultExecutor {}.setup_envs(environment) } else { Ok(()) }
    }

    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        if self.is_linux(spec) {
            linux_program::default_sigpipe();
            return DefaultExecutor {}.exec(spec);
        }
        exit::run(|| spin_app::run(spec, self.code.take()))
    }
}
