// Every bound of the wire codec, in one place.
// Source: hashicorp/memberlist (its own limits where it has them), ours where it has none. Units: bytes and counts.
// Invariant: no input makes the codec hold more than these, whatever lengths its headers claim.
#pragma once

#include <cstddef>

namespace aurora::gossipwire {

// Messages.
inline constexpr size_t kMaxName = 255;
inline constexpr size_t kMaxMeta = 512;
inline constexpr size_t kMaxErrorText = 1024;  // longer text from a peer is cut
inline constexpr size_t kMaxMapBytes = 65536;  // one msgpack map: a datagram's worth
inline constexpr size_t kMaxMapItems = 256;    // values in one map, nested ones included

// Datagrams.
inline constexpr size_t kDatagramBudget = 1400;          // what we send at most, all layers counted
inline constexpr size_t kMaxDatagram = 65536;            // what we read at most
inline constexpr size_t kMaxDatagramInflated = 1 << 20;  // all decompression of one datagram together
inline constexpr size_t kMaxLayers = 4;                  // compound or compression inside one another
inline constexpr size_t kMaxDatagramMessages = 2048;     // kept of one datagram
inline constexpr size_t kMaxCompoundParts = 255;
inline constexpr size_t kMaxCompoundPart = 65535;

// Layers.
inline constexpr size_t kMaxLabel = 255;
inline constexpr size_t kLabelOverhead = 2;
inline constexpr size_t kCrcOverhead = 5;
inline constexpr size_t kCompoundHeader = 2;
inline constexpr size_t kCompoundPartOverhead = 2;
inline constexpr size_t kEncryptionV1Overhead = 29;  // version, nonce, tag
inline constexpr size_t kEncryptionV0Overhead = 45;  // and 1 to 16 of padding
inline constexpr size_t kMaxKeys = 16;

// Streams.
inline constexpr size_t kMaxStreamSealed = 20u << 20;    // an encrypted body; also user state and user messages
inline constexpr size_t kMaxStreamInflated = 40u << 20;  // a body in the clear, decompressed or not
inline constexpr size_t kMaxStreamNodes = 1u << 20;
inline constexpr size_t kMaxNodeRecordBytes = 4096;        // one node's map
inline constexpr size_t kMaxNodeRecordMemory = 64u << 20;  // all records of one stream, as held in memory

}  // namespace aurora::gossipwire
