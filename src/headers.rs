//! Reading and filtering headers.

use http::{HeaderMap, HeaderName};

pub mod client_ip;
pub mod echo;
pub mod values;

/// The names of all headers, sorted.
pub fn names(headers: &HeaderMap) -> Vec<&HeaderName> {
    let mut names: Vec<&HeaderName> = Vec::with_capacity(headers.keys_len());
    for name in headers.keys() {
        // An insertion sort: there are at most about 100 names, and std's sort adds 10 KB to the component.
        names.insert(names.partition_point(|earlier| earlier.as_str() < name.as_str()), name);
    }
    names
}
