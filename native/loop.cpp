#include "loop.hpp"
