void ntm_k(void);
