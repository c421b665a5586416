// The part of libmicrohttpd that Swift sees, with wrappers for what Swift cannot call itself.
#pragma once
#include <microhttpd.h>
