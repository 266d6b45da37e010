// The names of branches as XIDs.
#ifndef CAIRN_RM_XA_XA_NAME_H_
#define CAIRN_RM_XA_XA_NAME_H_

#include <compare>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <cairn/result.h>
#include <cairn/xa.h>

#include "names/branch_name.h"

namespace cairn::rm {

// Of all branches of Cairn. An XID of this format is one of its own only if the rest is, too.
inline constexpr long kXaFormat = 0x43524E31;  // "CRN1"

// gtrid: transaction manager, unit of work; bqual: resource manager; 16 bytes each. So branches of
// one transaction in several resource managers share the gtrid, as the specification has it.
[[nodiscard]] XID to_xid(const BranchName& name);
// Nothing for any XID that to_xid() does not give.
[[nodiscard]] std::optional<BranchName> from_xid(const XID& xid);

// Not the null XID, and its lengths are within bounds.
[[nodiscard]] bool is_valid(const XID& xid);
// What counts of a valid XID: format, lengths, and the bytes within them.
[[nodiscard]] std::string xid_key(const XID& xid);
// "1129467441:6f2c...:8d5b...": format and both parts in hexadecimal digits.
[[nodiscard]] std::string xid_text(const XID& xid);

// A valid XID as bytes that last: "XID1", format (8), gtrid length (1), bqual length (1), data.
[[nodiscard]] std::vector<std::byte> encode_xid(const XID& xid);
// Error: kCorrupt.
[[nodiscard]] Result<XID> decode_xid(std::span<const std::byte> bytes);

}  // namespace cairn::rm

#endif  // CAIRN_RM_XA_XA_NAME_H_
