#include <cairn/sim/sim_storage.h>
