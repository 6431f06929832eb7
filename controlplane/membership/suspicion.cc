#include "controlplane/membership/suspicion.h"

#include <algorithm>
#include <cmath>

namespace aurora::membership {

SuspicionTerms TermsFor(const Config& config, size_t n) {
  const double scale = std::max(1.0, std::log10(std::max<double>(1.0, static_cast<double>(n))));
  const auto micros = static_cast<int64_t>(scale * 1000.0) * config.probe_window.micros() / 1000;
  SuspicionTerms terms;
  terms.min = Duration::Micros(micros) * config.suspicion_mult;
  terms.max = terms.min * config.suspicion_max_mult;
  const int others = static_cast<int>(n) - 2;  // whoever could confirm: not the accuser, not the accused
  terms.confirmations = config.suspicion_mult - 2;
  if (config.rules == Rules::kStock) {
    if (others < terms.confirmations) {
      terms.confirmations = 0;
    }
    return terms;
  }
  // With three nodes memberlist gives up on confirmation and always waits the short time. One confirmation is possible
  // there, so ask for one; with two none is, so wait twice as long. Never both fast and unconfirmed.
  terms.confirmations = std::clamp(others, 0, std::max(0, terms.confirmations));
  if (terms.confirmations == 0) {
    terms.min = terms.min * 2;
  }
  return terms;
}

Suspicion::Suspicion(Instant start, SuspicionTerms terms, std::string_view accuser)
    : start_(start), terms_(terms), timeout_(terms.confirmations < 1 ? terms.min : terms.max) {
  accusers_.emplace_back(accuser);
}

bool Suspicion::Confirm(std::string_view accuser) {
  const auto confirmed = static_cast<int>(accusers_.size()) - 1;
  if (confirmed >= terms_.confirmations || std::find(accusers_.begin(), accusers_.end(), accuser) != accusers_.end()) {
    return false;
  }
  accusers_.emplace_back(accuser);
  const double fraction = std::log(static_cast<double>(confirmed + 2)) / std::log(terms_.confirmations + 1.0);
  const double range = static_cast<double>((terms_.max - terms_.min).millis());
  const auto shrunk = static_cast<int64_t>(std::floor(static_cast<double>(terms_.max.millis()) - range * fraction));
  timeout_ = std::max(terms_.min, Duration::Millis(shrunk));
  return true;
}

}  // namespace aurora::membership
