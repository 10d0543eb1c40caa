/* Inside lib/service: the parts of one exchange. */
#ifndef WF_EXCHANGE_INT_H
#define WF_EXCHANGE_INT_H

#include "service/wf_service.h"

typedef struct {
    const wf_service_t *service;
    const wf_exchange_in_t *in;
    wf_exchange_out_t *out;
    wf_exchange_key_t *key; /* of this exchange; NULL until decrypted */
    const wf_account_t *account;
    wf_flow_request_t request;
    wf_slice_t plain;
} wf_exchange_t;

/* Ends the exchange with a code and logs the reason; the caller returns. */
void wf_exchange_end(wf_ctx_t *ctx, wf_exchange_t *x, wf_exchange_code_t code, wf_log_level_t level,
                     const char *reason);

/* wf_exchange_open.c: signature, decryption. 1: x->plain, x->key and x->account are set; 0: ended. */
int wf_exchange_open(wf_ctx_t *ctx, wf_exchange_t *x);
/* A flow_token_signature (WHATSAPP.md 1.18) against the account's app secrets. */
int wf_exchange_token_signature_ok(wf_ctx_t *ctx, wf_exchange_t *x);

/* wf_exchange_step.c: everything but ping and error notifications. */
void wf_exchange_step(wf_ctx_t *ctx, wf_exchange_t *x);

/* Encrypts `text` as the body with this code. */
void wf_exchange_reply(wf_ctx_t *ctx, wf_exchange_t *x, wf_exchange_code_t code, const char *text,
                       size_t len);

/* wf_backend.c: the company's own server. NULL when it failed or was late (logged). */
wf_json_t *wf_backend_ask(wf_ctx_t *ctx, const wf_service_t *service, const wf_tenant_t *tenant,
                          const wf_account_t *account, const wf_outcome_t *outcome);

#endif
