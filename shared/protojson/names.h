// Names shared by both directions: enum values without their prefix, and the two special messages.
// Source: buf STANDARD (enum values carry the enum's name in upper snake case). Thread: stateless.
#pragma once

#include <string>

#include <google/protobuf/descriptor.h>

namespace aurora::protojson {

// PROVIDER_TYPE_OPENAI -> "openai"; the zero value -> "".
std::string EnumName(const google::protobuf::EnumValueDescriptor& value);

inline bool IsTimestamp(const google::protobuf::Descriptor& type) {
  return type.full_name() == "google.protobuf.Timestamp";
}
// A message whose absence and emptiness differ; JSON null and array.
inline bool IsStringList(const google::protobuf::Descriptor& type) {
  return type.full_name() == "aurora.v1.StringList";
}

}  // namespace aurora::protojson
