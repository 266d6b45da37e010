// Interrupt: lets a command that runs until it is stopped end in good order.
#ifndef CAIRN_TOOLS_INTERRUPT_H_
#define CAIRN_TOOLS_INTERRUPT_H_

namespace cairn::tools {

// From now on SIGINT and SIGTERM no longer kill the process but are remembered. A second one kills.
void catch_interrupts();

// Whether one arrived since.
[[nodiscard]] bool interrupted();

}  // namespace cairn::tools

#endif  // CAIRN_TOOLS_INTERRUPT_H_
