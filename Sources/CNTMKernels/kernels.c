#include "CNTMKernels.h"
void ntm_k(void){}
