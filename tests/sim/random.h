#include <cairn/sim/random.h>
