//! Networks and addresses of PostgreSQL as those of the decision.

use pgrx::Array;
use token_auth_core::decision::Origin;
use token_auth_core::limits::MAX_NETWORKS;
use token_auth_core::network::{Network, Networks};

use crate::error::{ArgumentError, Error};
use crate::pg::inet::{CidrArray, Inet};
use crate::pg::varlena::VarlenaArg;

/// Returns the networks of a token.
pub fn of_column(CidrArray(networks): CidrArray) -> Networks {
    networks.into_iter().map(network).collect()
}

/// Returns the networks of an argument of the type `cidr[]`. All addresses of both protocols are no restriction, which is `None`.
pub fn networks(argument: &Array<'_, &[u8]>) -> Result<Option<Networks>, Error> {
    let count = argument.len();
    if !(1..=MAX_NETWORKS).contains(&count) {
        return Err(ArgumentError::NetworkCount(count).into());
    }
    let read = |element: Option<&[u8]>| element.and_then(Inet::from_bytes).map(network);
    let networks: Option<Networks> = argument.iter().map(read).collect();
    let networks = networks.ok_or(ArgumentError::NetworkCount(count))?;
    Ok(if networks.are_everywhere() { None } else { Some(networks) })
}

/// Returns the origin of a request: the argument `client`, of the type `inet`. NULL is an address that is not known.
pub fn origin(client: Option<VarlenaArg<'_>>) -> Origin {
    Origin::Client(client.and_then(|VarlenaArg(bytes)| Inet::from_bytes(bytes)).map(network))
}

/// Returns networks as PostgreSQL reads them.
pub fn texts(networks: &Networks) -> Vec<String> {
    networks.iter().map(Network::to_string).collect()
}

fn network(inet: Inet) -> Network {
    match inet {
        Inet::V4 { address, bits } => Network::ipv4(address, bits),
        Inet::V6 { address, bits } => Network::ipv6(address, bits),
    }
}
