#include "bank/message.h"

#include <array>
#include <climits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace cairn::examples::bank {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::string_view, 3> kVerdicts{"committed", "already there", "aborted"};
// Escapes make a character of the text up to six in the line; the rest of the line is short.
constexpr std::size_t kMaxText = PIPE_BUF / 8;

Json to_object(const Ready& ready) {
  const Recovery& recovery = ready.recovery;
  return {{"kind", "ready"},
          {"ms", recovery.milliseconds},
          {"committed", recovery.committed},
          {"aborted", recovery.aborted},
          {"redelivered", recovery.redelivered}};
}

Json to_object(const Done& done) {
  return {{"kind", "done"},
          {"id", done.id},
          {"verdict", kVerdicts[static_cast<std::size_t>(done.verdict)]},
          {"conflicts", done.conflicts}};
}

Json to_object(const Failed& failed) {
  return {{"kind", "failed"}, {"text", failed.text.substr(0, kMaxText)}};
}

Result<Verdict> parse_verdict(const std::string& name) {
  for (std::size_t i = 0; i < kVerdicts.size(); ++i) {
    if (kVerdicts[i] == name) return static_cast<Verdict>(i);
  }
  return Status(StatusCode::kInvalidArgument, fmt::format("no verdict is called \"{}\"", name));
}

Result<Message> from_object(const Json& object) {
  const std::string kind = object.at("kind");
  if (kind == "ready") {
    return Message(Ready{{.finished = true,
                          .milliseconds = object.at("ms"),
                          .committed = object.at("committed"),
                          .aborted = object.at("aborted"),
                          .redelivered = object.at("redelivered")}});
  }
  if (kind == "done") {
    CAIRN_ASSIGN_OR_RETURN(const Verdict verdict, parse_verdict(object.at("verdict")));
    return Message(
        Done{.id = object.at("id"), .verdict = verdict, .conflicts = object.at("conflicts")});
  }
  if (kind == "failed") return Message(Failed{object.at("text")});
  return Status(StatusCode::kInvalidArgument, fmt::format("no message is called \"{}\"", kind));
}

}  // namespace

std::string encode(const Message& message) {
  const Json object = std::visit([](const auto& kind) { return to_object(kind); }, message);
  // A cut text may end inside a character; that must not throw.
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Message> decode(std::string_view line) {
  // The JSON library reports by exceptions what a line lacks; here they become a Status.
  try {
    return from_object(Json::parse(line));
  } catch (const Json::exception& error) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("expected a worker's message, found \"{}\": {}", line, error.what()));
  }
}

}  // namespace cairn::examples::bank
