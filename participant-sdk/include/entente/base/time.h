// Stands for base/time.h in the source tree. What is installed at this place is that header itself.
#pragma once

#include "base/time.h"
