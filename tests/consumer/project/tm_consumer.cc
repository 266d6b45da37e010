// Uses all three libraries: a transaction manager on a new log in the directory given commits an
// empty transaction; what it left is read with cairn::recovery. Exit 0 if that is its identity.
#include <cstdio>
#include <utility>

#include <cairn/log.h>
#include <cairn/recovered_state.h>
#include <cairn/transaction_manager.h>

namespace {

using namespace cairn;

Result<Uuid> commit_once(const char* path) {
  CAIRN_ASSIGN_OR_RETURN(auto log, log::Log::create(path));
  CAIRN_ASSIGN_OR_RETURN(auto manager, tm::TransactionManager::create({.log = std::move(log)}));
  CAIRN_RETURN_IF_ERROR(manager.recover().status());
  CAIRN_ASSIGN_OR_RETURN(auto transaction, manager.create_transaction());
  CAIRN_RETURN_IF_ERROR(transaction.commit());
  CAIRN_RETURN_IF_ERROR(manager.close());
  return manager.id();
}

Status expect_identity(const char* path, const Uuid& id) {
  CAIRN_ASSIGN_OR_RETURN(const auto view, log::LogView::open(path));
  CAIRN_ASSIGN_OR_RETURN(const auto state, recovery::read_tm_state(*view, "tm"));
  if (state.transaction_manager == id) return Status::ok();
  return Status(StatusCode::kIdentityMismatch,
                "expected " + id.to_string() + ", found " + state.transaction_manager.to_string());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const Result<Uuid> id = commit_once(argv[1]);
  const Status status = id ? expect_identity(argv[1], *id) : id.status();
  if (!status) std::fprintf(stderr, "%s\n", status.to_string().c_str());
  return status ? 0 : 1;
}
