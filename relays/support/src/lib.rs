//! What the tests of all relays share: servers that can be killed, hubs with members.
