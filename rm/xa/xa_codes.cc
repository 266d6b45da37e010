#include "xa_codes.h"

namespace cairn::rm {

std::string_view xa_call_name(XaCall call) {
  switch (call) {
    case XaCall::kStart:
      return "xa_start";
    case XaCall::kEnd:
      return "xa_end";
    case XaCall::kPrepare:
      return "xa_prepare";
    case XaCall::kCommitAlone:
      return "xa_commit(TMONEPHASE)";
    case XaCall::kAskAlone:
      return "xa_rollback after xa_commit(TMONEPHASE)";
    case XaCall::kCommit:
      return "xa_commit";
    case XaCall::kRollback:
      return "xa_rollback";
    case XaCall::kForget:
      return "xa_forget";
  }
  return "";
}

std::string_view xa_verdict_name(XaVerdict verdict) {
  switch (verdict) {
    case XaVerdict::kDone:
      return "done";
    case XaVerdict::kReadOnly:
      return "read only";
    case XaVerdict::kRolledBack:
      return "rolled back";
    case XaVerdict::kRefused:
      return "refused";
    case XaVerdict::kAgain:
      return "again";
    case XaVerdict::kReopen:
      return "reopen";
    case XaVerdict::kUnknown:
      return "unknown";
    case XaVerdict::kHeuristic:
      return "heuristic";
    case XaVerdict::kBroken:
      return "broken";
  }
  return "";
}

std::string xa_code_name(int code) {
  switch (code) {
    case XA_OK:
      return "XA_OK";
    case XA_RDONLY:
      return "XA_RDONLY";
    case XA_RETRY:
      return "XA_RETRY";
    case XA_HEURMIX:
      return "XA_HEURMIX";
    case XA_HEURRB:
      return "XA_HEURRB";
    case XA_HEURCOM:
      return "XA_HEURCOM";
    case XA_HEURHAZ:
      return "XA_HEURHAZ";
    case XA_NOMIGRATE:
      return "XA_NOMIGRATE";
    case XA_RBROLLBACK:
      return "XA_RBROLLBACK";
    case XA_RBCOMMFAIL:
      return "XA_RBCOMMFAIL";
    case XA_RBDEADLOCK:
      return "XA_RBDEADLOCK";
    case XA_RBINTEGRITY:
      return "XA_RBINTEGRITY";
    case XA_RBOTHER:
      return "XA_RBOTHER";
    case XA_RBPROTO:
      return "XA_RBPROTO";
    case XA_RBTIMEOUT:
      return "XA_RBTIMEOUT";
    case XA_RBTRANSIENT:
      return "XA_RBTRANSIENT";
    case XAER_ASYNC:
      return "XAER_ASYNC";
    case XAER_RMERR:
      return "XAER_RMERR";
    case XAER_NOTA:
      return "XAER_NOTA";
    case XAER_INVAL:
      return "XAER_INVAL";
    case XAER_PROTO:
      return "XAER_PROTO";
    case XAER_RMFAIL:
      return "XAER_RMFAIL";
    case XAER_DUPID:
      return "XAER_DUPID";
    case XAER_OUTSIDE:
      return "XAER_OUTSIDE";
    default:
      return std::to_string(code);
  }
}

}  // namespace cairn::rm
