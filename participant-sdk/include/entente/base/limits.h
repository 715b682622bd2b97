// Stands for base/limits.h in the source tree. What is installed at this place is that header
// itself.
#pragma once

#include "base/limits.h"
