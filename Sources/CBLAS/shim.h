// The part of OpenBLAS that Swift sees. Include paths come from pkg-config (openblas.pc).
#pragma once
#include <cblas.h>
