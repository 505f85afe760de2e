//! What the container's process does once libcontainer has brought it into its namespaces: last checks, then the payload.

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::Context;
use httpserver_runtime::cache::Entry;
use libcontainer::workload::default::DefaultExecutor;
use libcontainer::workload::{Executor as LibExecutor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError};
use oci_spec::runtime::Spec;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{application, linux, report, rights};

/// Runs a Linux program as such, and everything else as a Spin application.
#[derive(Clone)]
pub struct Executor {
    code: Rc<Cell<Option<Entry>>>,
    is_linux: OnceCell<bool>,
}

impl Executor {
    /// With the application's compiled code, if there is any yet.
    pub fn new(code: Option<Entry>) -> Self {
        Self { code: Rc::new(Cell::new(code)), is_linux: OnceCell::new() }
    }

    fn is_linux(&self, spec: &Spec) -> bool {
        *self.is_linux.get_or_init(|| linux::is_program(spec))
    }
}

impl LibExecutor for Executor {
    /// The last step of the container's creation, and the first with all of the container's file system in place.
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        self.is_linux(spec);
        // There is one thread yet, so whatever thread follows has no more rights than this one.
        let ready = rights::reduce(spec).and_then(|()| {
            // Nobody would be left to end or to replace it. After the change of user, which would reset this.
            set_parent_process_death_signal(Some(Signal::KILL)).context("cannot tie the container to its shim")
        });
        ready.map_err(|error| ExecutorValidationError::ArgValidationError(format!("{error:#}")))
    }

    fn setup_envs(&self, environment: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        // Our own server reads the container's environment from the spec.
        if self.is_linux.get() == Some(&true) { DefaultExecutor {}.setup_envs(environment) } else { Ok(()) }
    }

    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        if self.is_linux(spec) {
            linux::default_sigpipe();
            return DefaultExecutor {}.exec(spec);
        }
        report::run(|| application::run(spec, self.code.take()))
    }
}
