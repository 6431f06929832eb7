// How many bytes a datagram message takes on the wire: exact, by arithmetic, without encoding it. Source: the message
// table of memberlist's protocol (docs/protocols/membership.md); a test holds it to the codec. Pure functions.
#pragma once

#include <cstddef>

#include "controlplane/gossipwire/message.h"

namespace aurora::membership {

// The type byte and the map. PushPull and Error travel over TCP only and count as 0.
size_t MessageSize(const gossipwire::Message& message);

}  // namespace aurora::membership
