#include "system/sim_client.h"

#include <utility>

namespace cairn::system_test {

bool SimClient::begin(Node& node) {
  if (busy_ || !node.up() || !node.online()) return false;
  tm::TransactionOptions options;
  if (stage_.random.chance(20)) {
    options.timeout = std::chrono::milliseconds(1 + stage_.random.below(100));
  }
  const auto begun = node.tm().create_transaction(options);
  if (!stage_.allowed("a client begins", begun.status(), {})) return true;
  transaction_ = *begun;
  branch_ = tm::Transaction();
  node_ = &node;
  busy_ = true;
  asked_ = completed_ = false;
  stage_.say("a client has " + transaction_.id().to_string());
  static_cast<void>(stage_.model.of(transaction_.id()));
  return true;
}

void SimClient::forget() {
  busy_ = false;
  branch_ = tm::Transaction();
  transaction_ = tm::Transaction();
}

bool SimClient::drop() {
  if (!busy_) return false;
  stage_.say("a client drops its last reference to " + transaction_.id().to_string());
  forget();
  return true;
}

void SimClient::hear(const Status& verdict, const char* what) {
  if (!stage_.dead() && verdict.code() == StatusCode::kObjectExpired) {
    if (node_->online()) stage_.model.violate("a client is told of an end that was none");
    stage_.say(std::string(what) + ": the manager is offline");
    return;
  }
  const bool committed = stage_.allowed(
      what, verdict,
      {StatusCode::kAlreadyAborted, StatusCode::kOutcomeUnknown, StatusCode::kTimeout});
  if (committed) {
    stage_.model.tell(transaction_.id(), Ending::kCommitted, "a client");
  } else if (!stage_.dead() && verdict.code() == StatusCode::kAlreadyAborted) {
    stage_.model.tell(transaction_.id(), Ending::kAborted, "a client");
  } else if (!stage_.dead() && verdict.code() == StatusCode::kOutcomeUnknown) {
    stage_.tally.add("unknown outcomes");
  }
}

bool SimClient::commit() {
  if (!busy_ || asked_) return false;
  Facts& facts = stage_.model.of(transaction_.id());
  const bool before = std::exchange(facts.asked, true);
  const Status status = transaction_.commit_async();
  if (!stage_.dead() && status.code() == StatusCode::kObjectExpired) {
    if (node_->online()) stage_.model.violate("a client is told of an end that was none");
    return true;
  }
  asked_ = stage_.allowed(
      "a client asks for the commit of " + transaction_.id().to_string(), status,
      {StatusCode::kAlreadyAborted, StatusCode::kAlreadyCommitted, StatusCode::kRequestNotValid,
       StatusCode::kSuperiorExists, StatusCode::kOutcomeUnknown});
  if (stage_.dead()) return true;
  if (!asked_) facts.asked = before;
  if (status.code() == StatusCode::kAlreadyAborted) {
    stage_.model.tell(transaction_.id(), Ending::kAborted, "a client");
  }
  if (status.code() == StatusCode::kAlreadyCommitted) {
    stage_.model.tell(transaction_.id(), Ending::kCommitted, "a client");
  }
  return true;
}

bool SimClient::roll_back() {
  if (!busy_) return false;
  // Sometimes from below.
  const bool below = !branch_.id().is_null() && stage_.random.chance(50);
  const Status status = below ? branch_.rollback() : transaction_.rollback();
  if (!stage_.dead() && status.code() == StatusCode::kObjectExpired) return true;
  if (stage_.allowed(below ? "a client rolls back a branch" : "a client rolls back", status,
                     {StatusCode::kAlreadyCommitted, StatusCode::kRequestNotValid,
                      StatusCode::kOutcomeUnknown})) {
    stage_.model.tell(transaction_.id(), Ending::kAborted, "a client, which rolled back,");
  }
  return true;
}

bool SimClient::look() {
  if (!busy_) return false;
  const bool decided = stage_.random.chance(50);
  const Status verdict = transaction_.wait(
      decided ? tm::WaitFor::kDecided : tm::WaitFor::kCompleted, std::chrono::nanoseconds(0));
  if (verdict.is_ok() && !decided) completed_ = true;
  if (completed_ && !stage_.dead() && verdict.code() == StatusCode::kTimeout && !decided) {
    stage_.model.violate("a completed commit is no longer completed");
  }
  hear(verdict,
       decided ? "a client looks whether it is decided" : "a client looks whether it is completed");
  return true;
}

bool SimClient::change_timeout() {
  if (!busy_) return false;
  tm::TransactionProperties properties;
  properties.timeout = std::chrono::milliseconds(stage_.random.below(100));
  const Status status = transaction_.set_properties(properties);
  if (!stage_.dead() && status.code() == StatusCode::kObjectExpired) return true;
  stage_.allowed("a client changes its timeout", status, {StatusCode::kNotActive});
  return true;
}

}  // namespace cairn::system_test
