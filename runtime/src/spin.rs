//! Spin's own interface, as spin-sdk 5.2 imports it: the component's variables.

use crate::guest::State;
use crate::variables::VariableError;

wasmtime::component::bindgen!({ path: "wit", world: "imports" });

pub(crate) use fermyon::spin::variables;

impl variables::Host for State {
    fn get(&mut self, name: String) -> Result<String, variables::Error> {
        self.variables.get(&name).map(str::to_owned).map_err(|error| match error {
            VariableError::InvalidName(why) => variables::Error::InvalidName(why),
            VariableError::Undefined(why) => variables::Error::Undefined(why),
        })
    }
}
