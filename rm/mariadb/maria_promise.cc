#include "maria_promise.h"

namespace cairn::rm {
namespace {

constexpr std::string_view kPromisePrefix = "mariadb:1:";
constexpr std::size_t kUuidText = 36;

}  // namespace

std::string MariaPromise::to_string() const {
  return std::string(kPromisePrefix) + place.to_string() + ":" + branch.to_string();
}

std::optional<MariaPromise> MariaPromise::parse(std::string_view text) {
  if (text.size() != kPromisePrefix.size() + 2 * kUuidText + 1) return std::nullopt;
  const auto place = Uuid::parse(text.substr(kPromisePrefix.size(), kUuidText));
  const auto branch = Uuid::parse(text.substr(kPromisePrefix.size() + kUuidText + 1));
  if (!place || !branch) return std::nullopt;
  const MariaPromise promise{*place, *branch};
  if (promise.to_string() != text) return std::nullopt;
  return promise;
}

}  // namespace cairn::rm
