// What each return code of a resource manager means, call by call: one table.
//
// Before the promise any error is a no, and the branch is rolled back. Behind it the codes part in
// four: done; to be tried again, after a pause or after the connection was made anew; a resource
// manager that has decided by itself; and a breach of the interface, of which nothing follows. A
// code that the specification does not give to a call is a breach in a call that ends a branch, and
// a refusal in one that does not.
#ifndef CAIRN_RM_XA_XA_CODES_H_
#define CAIRN_RM_XA_XA_CODES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <cairn/xa.h>

namespace cairn::rm {

enum class XaCall : std::uint8_t {
  kStart,
  kEnd,
  kPrepare,
  kCommitAlone,  // xa_commit with TMONEPHASE
  kAskAlone,     // xa_rollback after a kCommitAlone whose end is not known: what it finds tells it
  kCommit,
  kRollback,
  kForget,
};
inline constexpr std::size_t kXaCalls = 8;
[[nodiscard]] std::string_view xa_call_name(XaCall call);

enum class XaVerdict : std::uint8_t {
  kDone,
  kReadOnly,    // done, and nothing is to be ended
  kRolledBack,  // the branch is rolled back, or can only be, by the resource manager
  kRefused,     // nothing was done, or nobody knows what: no
  kAgain,       // after a pause
  kReopen,      // the resource manager is away: connect anew; then kAgain, or the promise is a no
  kUnknown,     // it knows of no such branch
  kHeuristic,   // it has decided by itself
  kBroken,      // the interface is violated: the session ends
};
[[nodiscard]] std::string_view xa_verdict_name(XaVerdict verdict);

struct XaRow {
  XaCall call;
  int first;  // of the codes
  int last;
  XaVerdict verdict;
};

// clang-format off
inline constexpr auto kXaTable = [] {
  using C = XaCall; using V = XaVerdict;
  return std::to_array<XaRow>({
    {C::kStart,       XA_OK,          XA_OK,          V::kDone},
    {C::kStart,       XA_RBBASE,      XA_RBEND,       V::kRolledBack},  // not associated, rollback only
    {C::kStart,       XAER_NOTA,      XAER_NOTA,      V::kRolledBack},  // to be joined, and gone
    {C::kStart,       XAER_DUPID,     XAER_DUPID,     V::kRolledBack},  // of an earlier session, not promised
    {C::kStart,       XAER_RMFAIL,    XAER_RMFAIL,    V::kReopen},
    {C::kStart,       XA_RETRY,       XA_RETRY,       V::kAgain},       // the client's to do
    {C::kEnd,         XA_OK,          XA_OK,          V::kDone},
    {C::kEnd,         XA_RBBASE,      XA_RBEND,       V::kRolledBack},
    {C::kEnd,         XAER_NOTA,      XAER_NOTA,      V::kRolledBack},
    {C::kEnd,         XAER_RMFAIL,    XAER_RMFAIL,    V::kReopen},
    {C::kPrepare,     XA_OK,          XA_OK,          V::kDone},
    {C::kPrepare,     XA_RDONLY,      XA_RDONLY,      V::kReadOnly},
    {C::kPrepare,     XA_RBBASE,      XA_RBEND,       V::kRolledBack},
    {C::kPrepare,     XAER_NOTA,      XAER_NOTA,      V::kRolledBack},
    {C::kPrepare,     XAER_RMFAIL,    XAER_RMFAIL,    V::kReopen},      // may be prepared; so may XAER_RMERR
    {C::kCommitAlone, XA_OK,          XA_OK,          V::kDone},
    {C::kCommitAlone, XA_RBBASE,      XA_RBEND,       V::kRolledBack},
    {C::kCommitAlone, XAER_RMERR,     XAER_RMERR,     V::kRolledBack},  // so the specification says
    {C::kCommitAlone, XAER_NOTA,      XAER_NOTA,      V::kRolledBack},  // it was lost before it was asked
    {C::kCommitAlone, XA_HEURMIX,     XA_HEURHAZ,     V::kHeuristic},
    {C::kCommitAlone, XA_RETRY,       XA_RETRY,       V::kAgain},
    {C::kCommitAlone, XAER_RMFAIL,    XAER_RMFAIL,    V::kReopen},      // then kAskAlone; so after the rest
    {C::kAskAlone,    XA_OK,          XA_OK,          V::kRolledBack},  // it was still there
    {C::kAskAlone,    XA_RBBASE,      XA_RBEND,       V::kRolledBack},
    {C::kAskAlone,    XAER_NOTA,      XAER_NOTA,      V::kUnknown},     // committed or lost
    {C::kAskAlone,    XA_HEURMIX,     XA_HEURHAZ,     V::kHeuristic},
    {C::kAskAlone,    XA_RETRY,       XA_RETRY,       V::kAgain},
    {C::kAskAlone,    XAER_RMERR,     XAER_RMERR,     V::kAgain},
    {C::kAskAlone,    XAER_RMFAIL,    XAER_RMFAIL,    V::kReopen},
    {C::kCommit,      XA_OK,          XA_OK,          V::kDone},
    {C::kCommit,      XA_RETRY,       XA_RETRY,       V::kAgain},
    {C::kCommit,      XAER_RMFAIL,    XAER_RMFAIL,    V::kReopen},
    {C::kCommit,      XAER_NOTA,      XAER_NOTA,      V::kUnknown},     // committed before, if it was ordered before
    {C::kCommit,      XA_HEURMIX,     XA_HEURHAZ,     V::kHeuristic},
    {C::kCommit,      XAER_RMERR,     XAER_RMERR,     V::kRolledBack},  // it says that it never will
    {C::kCommit,      XA_RBBASE,      XA_RBEND,       V::kRolledBack},  // not of two phases, but said
    {C::kRollback,    XA_OK,          XA_OK,          V::kDone},
    {C::kRollback,    XA_RBBASE,      XA_RBEND,       V::kDone},
    {C::kRollback,    XAER_NOTA,      XAER_NOTA,      V::kDone},
    {C::kRollback,    XA_HEURMIX,     XA_HEURHAZ,     V::kHeuristic},
    {C::kRollback,    XA_RETRY,       XA_RETRY,       V::kAgain},
    {C::kRollback,    XAER_RMERR,     XAER_RMERR,     V::kAgain},       // if it forgot, XAER_NOTA says so
    {C::kRollback,    XAER_RMFAIL,    XAER_RMFAIL,    V::kReopen},
    {C::kForget,      XA_OK,          XA_OK,          V::kDone},
    {C::kForget,      XAER_NOTA,      XAER_NOTA,      V::kDone},
    {C::kForget,      XA_RETRY,       XA_RETRY,       V::kAgain},
    {C::kForget,      XAER_RMERR,     XAER_RMERR,     V::kAgain},
    {C::kForget,      XAER_RMFAIL,    XAER_RMFAIL,    V::kReopen},
  });
}();
// clang-format on

[[nodiscard]] constexpr XaVerdict xa_verdict(XaCall call, int code) {
  for (const XaRow& row : kXaTable) {
    if (row.call == call && row.first <= code && code <= row.last) return row.verdict;
  }
  switch (call) {
    case XaCall::kStart:
    case XaCall::kEnd:
    case XaCall::kPrepare:
    case XaCall::kCommitAlone:
    case XaCall::kForget:
      return XaVerdict::kRefused;
    case XaCall::kAskAlone:
    case XaCall::kCommit:
    case XaCall::kRollback:
      return XaVerdict::kBroken;
  }
  return XaVerdict::kBroken;
}

namespace xa_codes {

constexpr bool is_deterministic() {
  for (std::size_t i = 0; i < kXaTable.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (kXaTable[i].call == kXaTable[j].call && kXaTable[i].first <= kXaTable[j].last &&
          kXaTable[j].first <= kXaTable[i].last) {
        return false;
      }
    }
  }
  return true;
}
static_assert(is_deterministic());

// Behind the promise only XA_OK is a commit, and no error is "done".
constexpr bool is_no_commit_read_from_an_error() {
  for (const XaRow& row : kXaTable) {
    if (row.call != XaCall::kCommit && row.call != XaCall::kCommitAlone) continue;
    if (row.verdict == XaVerdict::kDone && (row.first != XA_OK || row.last != XA_OK)) return false;
  }
  return true;
}
static_assert(is_no_commit_read_from_an_error());
static_assert(xa_verdict(XaCall::kPrepare, XAER_RMERR) == XaVerdict::kRefused,
              "may be prepared: the branch must be rolled back");

}  // namespace xa_codes

// "XAER_RMFAIL", or the number.
[[nodiscard]] std::string xa_code_name(int code);

}  // namespace cairn::rm

#endif  // CAIRN_RM_XA_XA_CODES_H_
