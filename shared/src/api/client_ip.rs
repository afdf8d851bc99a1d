//! From which address a request comes: as the door tells it that the request came through.

use std::net::IpAddr;

use super::fields::Fields;

/// The address, put beside a request by whoever took it in: nothing that a client says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp(pub IpAddr);

/// Takes the address that the owner's backend names for an author: IPv4 or IPv6.
pub fn take_client_ip(fields: &mut Fields) -> Option<IpAddr> {
    let text = fields.text("client_ip").filter(|text| !text.is_empty())?;
    let parsed = text.parse().ok();
    if parsed.is_none() {
        fields.fault("client_ip", "必须是 IPv4 或 IPv6 地址。", "It must be an IPv4 or IPv6 address.");
    }
    parsed
}
