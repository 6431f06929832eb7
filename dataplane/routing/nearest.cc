#include <algorithm>

#include "dataplane/policy/access.h"
#include "dataplane/routing/route.h"

namespace aurora::routing {
namespace {

constexpr size_t kNameMax = 64;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Levenshtein distance, letters compared without case; names are cut to kNameMax.
size_t Distance(std::string_view a, std::string_view b) {
  a = a.substr(0, kNameMax);
  b = b.substr(0, kNameMax);
  std::array<uint8_t, kNameMax + 1> row;
  for (size_t j = 0; j <= b.size(); ++j) {
    row[j] = static_cast<uint8_t>(j);
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    uint8_t diagonal = row[0];
    row[0] = static_cast<uint8_t>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const uint8_t up = row[j];
      const int change = diagonal + (Lower(a[i - 1]) == Lower(b[j - 1]) ? 0 : 1);
      row[j] = static_cast<uint8_t>(std::min({change, up + 1, row[j - 1] + 1}));
      diagonal = up;
    }
  }
  return row[b.size()];
}

struct Best {
  std::array<std::string_view, 3>& names;
  std::array<size_t, 3> distances{};
  size_t count = 0;

  void Offer(std::string_view name, size_t distance) {
    for (size_t i = 0; i < count; ++i) {
      if (names[i] == name) {
        return;
      }
    }
    size_t at = count;
    // Ties by name, so that the answer does not depend on hash order.
    while (at > 0 && (distance < distances[at - 1] || (distance == distances[at - 1] && name < names[at - 1]))) {
      --at;
    }
    if (at >= names.size()) {
      return;
    }
    for (size_t i = std::min(count, names.size() - 1); i > at; --i) {
      names[i] = names[i - 1];
      distances[i] = distances[i - 1];
    }
    names[at] = name;
    distances[at] = distance;
    count = std::min(count + 1, names.size());
  }
};

}  // namespace

size_t NearestNames(const model::Catalog& catalog, const model::AuthKey& key, std::string_view asked,
                    std::array<std::string_view, 3>& out) {
  const size_t slash = asked.find('/');
  const std::string_view bare = slash == std::string_view::npos ? asked : asked.substr(slash + 1);
  const size_t limit = std::max<size_t>(2, bare.size() / 3);
  Best best{out};
  const auto offer = [&](std::string_view name) {
    const size_t difference = name.size() > bare.size() ? name.size() - bare.size() : bare.size() - name.size();
    const bool prefix = bare.size() >= 3 && name.substr(0, bare.size()) == bare;
    if (prefix) {
      best.Offer(name, 1);
    } else if (difference <= limit) {
      const size_t distance = Distance(bare, name);
      if (distance <= limit) {
        best.Offer(name, distance);
      }
    }
  };
  size_t scanned = 0;
  for (const model::Model& model : catalog.models) {
    if (++scanned > kNearestScanMax) {
      break;
    }
    if (model.enabled && model.provider_index < catalog.providers.size() &&
        policy::MayUse(key, catalog, {catalog.providers[model.provider_index].name, model.id, ""})) {
      offer(model.id);
    }
  }
  for (const auto& [name, alias] : catalog.aliases) {
    if (++scanned > kNearestScanMax) {
      break;
    }
    if (policy::ModelAllowed(key, {"", name, ""})) {
      offer(name);
    }
  }
  return best.count;
}

}  // namespace aurora::routing
