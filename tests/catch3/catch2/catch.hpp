// Catch2 version 3 under the name that version 2 has.
#pragma once

#include <catch2/catch_all.hpp>
