// Assets: the dashboard's files, out of the one blob that the build packs and the binary embeds.
// Source: ours (build.py writes the format): "AURDASH1", a count, then for each file its path, content type, a byte
// that says whether its name contains its content's hash, its ETag, its bytes and the same gzipped ("" when that is
// not smaller); numbers are big-endian 32 bit, texts a length and that many bytes.
// Thread: immutable after Parse. Errors: DataLoss for a blob that is cut or longer than it says. Invariant: every view
// points into the blob, which outlives the Assets (the embedded one lives as long as the process).
#pragma once

#include <map>
#include <string_view>

#include "absl/status/statusor.h"

namespace aurora::dashboard {

struct Asset {
  std::string_view type;
  bool immutable = false;
  std::string_view etag;  // without quotes, of the plain bytes
  std::string_view plain;
  std::string_view gzip;
};

class Assets {
 public:
  static absl::StatusOr<Assets> Parse(std::string_view blob);

  // "index.html", "assets/index-3f2a.js"; nullptr when there is none.
  const Asset* Find(std::string_view path) const;
  size_t size() const { return files_.size(); }

 private:
  std::map<std::string_view, Asset> files_;
};

// What this binary was built with: the dashboard, or a page that says why there is none.
std::string_view EmbeddedBlob();

}  // namespace aurora::dashboard
