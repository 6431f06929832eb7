#include "shared/crypto/secret.h"

#include <openssl/crypto.h>

namespace aurora::crypto {

void Wipe(std::string& text) {
  // Up to the capacity: a text that shrank left its tail there. resize makes those bytes ours to
  // write.
  text.resize(text.capacity());
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

std::string Secret::Redacted(size_t head) const {
  constexpr size_t kTail = 4;
  // What stays hidden must be at least as much as what shows.
  if (text_.size() < 2 * (head + kTail)) {
    return text_.empty() ? "" : "****";
  }
  return text_.substr(0, head) + "…" + text_.substr(text_.size() - kTail);
}

}  // namespace aurora::crypto
