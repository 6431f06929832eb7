// KindOf: a kind's typed functions as the untyped ones of Kind. Internal to controlplane/kinds.
// Source: ours. Thread: stateless. A Rules names Spec and has static Complete(name, now_s, Spec*) and
// Id(const Spec&); Validate is validate.h's.
#pragma once

#include <google/protobuf/message.h>

#include "controlplane/kinds/kind.h"
#include "controlplane/kinds/validate.h"
#include "shared/base/status.h"
#include "shared/schema/kinds.h"

namespace aurora::kinds {

template <class Spec>
absl::StatusOr<Spec> Decode(std::string_view bytes) {
  Spec spec;
  if (!spec.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return InvalidArgument("the stored value does not parse");
  }
  AURORA_RETURN_IF_ERROR(Validate(spec));
  return spec;
}

template <class Spec>
absl::Status CheckBytes(std::string_view bytes) {
  return Decode<Spec>(bytes).status();
}

template <class Rules>
Kind KindOf(const schema::KindNames& names, ResolveFunction resolve) {
  using Spec = typename Rules::Spec;
  using google::protobuf::Message;
  Kind kind;
  kind.name = names.kind;
  kind.rest = names.rest;
  kind.list = names.list;
  kind.resolve = resolve;
  kind.prototype = []() -> const Message* { return &Spec::default_instance(); };
  kind.complete = [](std::string_view name, int64_t now_s, Message* entity) {
    return Rules::Complete(name, now_s, static_cast<Spec*>(entity));
  };
  kind.validate = [](const Message& entity) { return Validate(static_cast<const Spec&>(entity)); };
  kind.id = [](const Message& entity) { return Rules::Id(static_cast<const Spec&>(entity)); };
  return kind;
}

}  // namespace aurora::kinds
