#include <string>
#include <utility>

#include <cairn/transaction_manager.h>

#include "references.h"
#include "registry.h"

namespace cairn::tm {
namespace {

constexpr std::uint64_t kMinCheckpointBytes = 4096;

Status check_options(const TmOptions& options) {
  if (options.checkpoint_bytes < kMinCheckpointBytes ||
      options.carry_forward_bytes < kMinCheckpointBytes) {
    return Status(StatusCode::kInvalidArgument,
                  "checkpoint_bytes " + std::to_string(options.checkpoint_bytes) +
                      ", carry_forward_bytes " + std::to_string(options.carry_forward_bytes) +
                      ", expected at least " + std::to_string(kMinCheckpointBytes) + " each");
  }
  if (options.checkpoint_interval.count() < 0) {
    return Status(StatusCode::kInvalidArgument,
                  "checkpoint_interval of " + std::to_string(options.checkpoint_interval.count()) +
                      " ns, expected 0 (only by bytes) or more");
  }
  if (options.log != nullptr && (options.stream.empty() || options.stream.size() > 255)) {
    return Status(
        StatusCode::kInvalidArgument,
        "stream name of " + std::to_string(options.stream.size()) + " bytes, expected 1 to 255");
  }
  return Status::ok();
}

std::uint64_t wall_clock_ns(const TmOptions& options) {
  if (options.wall_clock) return options.wall_clock();
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
}

Result<std::shared_ptr<TmReference>> start(const TmOptions& options, bool create) {
  CAIRN_RETURN_IF_ERROR(check_options(options));
  std::shared_ptr<TmLog> log;
  if (options.log != nullptr) {
    CAIRN_ASSIGN_OR_RETURN(
        log, TmLog::open(options.log, options.stream, create, wall_clock_ns(options)));
  }
  auto reference = std::make_shared<TmReference>(TmCore::make(options, std::move(log)));
  const Uuid id = reference->core->id();
  if (!Registry::get().add(id, reference)) {
    return Status(StatusCode::kAlreadyExists,
                  "a live transaction manager has the identity " + id.to_string() +
                      "; the log in " + options.log->info().path +
                      " is a copy of its log: rename the manager in it");
  }
  reference->core->set_registered();
  if (options.log == nullptr) Registry::get().announce(id);
  return reference;
}

}  // namespace

TransactionManager::TransactionManager(std::shared_ptr<TmReference> reference)
    : reference_(std::move(reference)) {}

Result<TransactionManager> TransactionManager::create(const TmOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(auto reference, start(options, true));
  return TransactionManager(std::move(reference));
}

Result<TransactionManager> TransactionManager::open(const TmOptions& options) {
  if (options.log == nullptr) {
    return Status(StatusCode::kInvalidArgument,
                  "a volatile transaction manager cannot be opened: nothing of it was kept");
  }
  CAIRN_ASSIGN_OR_RETURN(auto reference, start(options, false));
  return TransactionManager(std::move(reference));
}

Result<TransactionManager> TransactionManager::open_or_create(const TmOptions& options) {
  if (options.log == nullptr) return create(options);
  Result<TransactionManager> opened = open(options);
  return opened.code() == StatusCode::kNotFound ? create(options) : std::move(opened);
}

Result<TransactionManager> TransactionManager::open_by_id(const Uuid& id) {
  auto reference = Registry::get().find(id);
  if (reference == nullptr) {
    return Status(StatusCode::kNotFound,
                  "transaction manager " + id.to_string() + " is not open in this process");
  }
  return TransactionManager(std::move(reference));
}

std::vector<Uuid> TransactionManager::enumerate() { return Registry::get().ids(); }

Uuid TransactionManager::id() const { return reference_ ? reference_->core->id() : Uuid{}; }

Result<RecoveryReport> TransactionManager::recover() {
  if (!reference_) return refers_to_nothing("transaction manager");
  return reference_->core->recover();
}

Result<RecoveryReport> TransactionManager::roll_forward(std::uint64_t clock) {
  if (!reference_) return refers_to_nothing("transaction manager");
  return reference_->core->roll_forward(clock);
}

Result<Uuid> TransactionManager::rename(const TmOptions& options, const Uuid& expected) {
  CAIRN_RETURN_IF_ERROR(check_options(options));
  if (options.log == nullptr) {
    return Status(StatusCode::kInvalidArgument, "a volatile transaction manager has no log");
  }
  CAIRN_ASSIGN_OR_RETURN(const std::shared_ptr<TmLog> log,
                         TmLog::open(options.log, options.stream, false, wall_clock_ns(options)));
  if (log->tm_id() != expected) {
    return Status(StatusCode::kIdentityMismatch,
                  "stream \"" + options.stream + "\" of the log in " + log->path() +
                      " holds transaction manager " + log->tm_id().to_string() + ", expected " +
                      expected.to_string());
  }
  const Result<recovery::PackedState> state = log->read();
  if (!state) {
    return Status(StatusCode::kRecoveryFailed, state.status().to_string(), state.status().detail());
  }
  CAIRN_RETURN_IF_ERROR(log->rename(*state, wall_clock_ns(options)));
  return log->tm_id();
}

Status TransactionManager::freeze(std::chrono::nanoseconds limit, std::chrono::nanoseconds hold) {
  if (!reference_) return refers_to_nothing("transaction manager");
  return reference_->core->freeze(limit, hold);
}

Status TransactionManager::thaw() {
  if (!reference_) return refers_to_nothing("transaction manager");
  return reference_->core->thaw();
}

Status TransactionManager::resolve(const Uuid& unit_of_work, Outcome outcome,
                                   const Administrator& by) {
  if (!reference_) return refers_to_nothing("transaction manager");
  return reference_->core->resolve(unit_of_work, outcome, by);
}

Status TransactionManager::give_up(const Uuid& unit_of_work, const Uuid& resource_manager,
                                   const Administrator& by) {
  if (!reference_) return refers_to_nothing("transaction manager");
  return reference_->core->give_up(unit_of_work, resource_manager, by);
}

Result<Transaction> TransactionManager::create_transaction(const TransactionOptions& options) {
  if (!reference_) return refers_to_nothing("transaction manager");
  TmCore& core = *reference_->core;
  const bool expires = options.timeout.count() > 0;
  const auto now = expires ? core.now() : std::chrono::nanoseconds(0);
  CAIRN_ASSIGN_OR_RETURN(TransactionPtr made, core.unlocked().make_transaction(options, now));
  made->references = 1;
  CAIRN_RETURN_IF_ERROR(core.begin(made, !options.unit_of_work.is_null()));
  return Transaction(std::make_shared<TransactionReference>(reference_->core, std::move(made)));
}

Result<Transaction> TransactionManager::open_transaction(const Uuid& unit_of_work) {
  if (!reference_) return refers_to_nothing("transaction manager");
  CAIRN_ASSIGN_OR_RETURN(
      TransactionPtr object,
      reference_->core->run(StatusCode::kNotOnline,
                            [&](Protocol& protocol) -> Result<TransactionPtr> {
                              TransactionPtr found = protocol.find_transaction(unit_of_work);
                              if (found == nullptr) {
                                return Status(StatusCode::kNotFound,
                                              "no live transaction " + unit_of_work.to_string());
                              }
                              ++found->references;
                              return found;
                            }));
  return Transaction(std::make_shared<TransactionReference>(reference_->core, std::move(object)));
}

Result<ResourceManager> TransactionManager::create_resource_manager(const Uuid& id, RmKind kind,
                                                                    std::string_view description) {
  return begin_session(id, [&](Protocol& protocol) -> Result<ResourceManagerPtr> {
    CAIRN_RETURN_IF_ERROR(check_kind(kind));
    return protocol.create_resource_manager(id, kind, description);
  });
}

Result<ResourceManager> TransactionManager::open_or_create_resource_manager(
    const Uuid& id, RmKind kind, std::string_view description) {
  return begin_session(id, [&](Protocol& protocol) -> Result<ResourceManagerPtr> {
    CAIRN_RETURN_IF_ERROR(check_kind(kind));
    ResourceManagerPtr found = protocol.find_resource_manager(id);
    if (found == nullptr) return protocol.create_resource_manager(id, kind, description);
    if (found->kind == kind) return found;
    const auto name = [](RmKind of) { return of == RmKind::kDurable ? "durable" : "volatile"; };
    return Status(StatusCode::kNameCollision, "resource manager " + id.to_string() + ": a " +
                                                  name(kind) + " one expected, a " +
                                                  name(found->kind) + " one is known");
  });
}

Status TransactionManager::check_kind(RmKind kind) const {
  if (kind != RmKind::kDurable || reference_->core->is_durable()) return Status::ok();
  return Status(StatusCode::kTmVolatile,
                "a durable resource manager needs a durable transaction manager");
}

Result<ResourceManager> TransactionManager::open_resource_manager(const Uuid& id) {
  return begin_session(id, [&](Protocol& protocol) -> Result<ResourceManagerPtr> {
    ResourceManagerPtr found = protocol.find_resource_manager(id);
    if (found == nullptr) {
      return Status(StatusCode::kNotFound,
                    "nothing is known of resource manager " + id.to_string() + ": create it");
    }
    return found;
  });
}

template <typename Find>
Result<ResourceManager> TransactionManager::begin_session(const Uuid& id, Find find) {
  if (!reference_) return refers_to_nothing("transaction manager");
  using Session = std::shared_ptr<ResourceManagerReference>;
  CAIRN_ASSIGN_OR_RETURN(
      Session session,
      reference_->core->run(StatusCode::kNotOnline, [&](Protocol& protocol) -> Result<Session> {
        CAIRN_ASSIGN_OR_RETURN(const ResourceManagerPtr rm, find(protocol));
        protocol.begin_session(
            rm, Status(StatusCode::kFenced,
                       "a newer session of resource manager " + id.to_string() + " took over"));
        return std::make_shared<ResourceManagerReference>(reference_->core, rm, rm->session,
                                                          rm->queue);
      }));
  return ResourceManager(std::move(session));
}

Result<std::vector<Uuid>> TransactionManager::transactions() const {
  if (!reference_) return refers_to_nothing("transaction manager");
  return reference_->core->ask([](const Protocol& protocol) { return protocol.transaction_ids(); });
}

Result<std::vector<Uuid>> TransactionManager::resource_managers() const {
  if (!reference_) return refers_to_nothing("transaction manager");
  return reference_->core->ask(
      [](const Protocol& protocol) { return protocol.resource_manager_ids(); });
}

Result<std::vector<Uuid>> TransactionManager::enlistments() const {
  if (!reference_) return refers_to_nothing("transaction manager");
  return reference_->core->ask([](const Protocol& protocol) { return protocol.enlistment_ids(); });
}

Result<TmInformation> TransactionManager::information() const {
  if (!reference_) return refers_to_nothing("transaction manager");
  return reference_->core->information();
}

std::uint64_t TransactionManager::clock() const {
  if (!reference_) return 0;
  return reference_->core->ask([](const Protocol& protocol) { return protocol.clock(); });
}

Status TransactionManager::checkpoint() {
  if (!reference_) return refers_to_nothing("transaction manager");
  return reference_->core->checkpoint();
}

Status TransactionManager::run_background() {
  if (!reference_) return refers_to_nothing("transaction manager");
  return reference_->core->run_background();
}

Status TransactionManager::close() {
  if (!reference_) return refers_to_nothing("transaction manager");
  return reference_->core->close();
}

}  // namespace cairn::tm
