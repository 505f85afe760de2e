//! Spin's own interface, as spin-sdk 5.2 imports it: the component's variables.

use crate::guest::State;
use crate::variables::Missing;

wasmtime::component::bindgen!({ path: "wit", world: "imports" });

pub(crate) use fermyon::spin::variables;

impl variables::Host for State {
    fn get(&mut self, name: String) -> Result<String, variables::Error> {
        self.variables.get(&name).map(str::to_owned).map_err(|missing| match missing {
            Missing::InvalidName(why) => variables::Error::InvalidName(why),
            Missing::Undefined(why) => variables::Error::Undefined(why),
        })
    }
}
