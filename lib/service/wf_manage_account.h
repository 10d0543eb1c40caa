/* L5: what an operator does with an account beyond its record: its keys, and its standing at Meta. */
#ifndef WF_MANAGE_ACCOUNT_H
#define WF_MANAGE_ACCOUNT_H

#include "service/wf_service.h"

/* All of them: WF_ENOTFOUND, WF_ECONFLICT (code says what), and as wf_graph.h. No transaction is open while Meta is
 * asked. */

/* A new key pair: made, uploaded, read back and compared, then switched; the old key goes on for `overlap`
 * (negative: 24 h). Whatever fails, the old key still decrypts; and where Meta may have the new one already, that
 * decrypts too, and the next call goes on with it. *out: the account. */
wf_status_t wf_manage_rotate_keys(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                                  const char *company_id, const char *account_id,
                                  apr_interval_time_t overlap,
                                  const wf_actor_t *actor) WF_MUST_CHECK;

/* A private key that is there already, as PEM; Meta is not told (wf_manage_key_register does). WF_EINVALID with faults
 * for "/private_key" and "/passphrase". */
wf_status_t wf_manage_key_import(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                                 const char *company_id, const char *account_id,
                                 const wf_key_input_t *input,
                                 const wf_actor_t *actor) WF_MUST_CHECK;

/* The current public key to Meta, read back and compared. *out: as wf_manage_key_validate. */
wf_status_t wf_manage_key_register(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                                   const char *company_id, const char *account_id) WF_MUST_CHECK;
/* {account_id, phone_number_id, matches, signature_status}: whether Meta has the account's current public key. */
wf_status_t wf_manage_key_validate(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                                   const char *company_id, const char *account_id) WF_MUST_CHECK;

/* What Meta says of the number, kept with the account: verification_status, last_verified_at. *out: the account. */
wf_status_t wf_manage_verify(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                             const char *company_id, const char *account_id,
                             const wf_actor_t *actor) WF_MUST_CHECK;

/* {ok, checks: [{name, ok, detail, …}]}: token, number, waba, webhooks, key, in that order; ok null: not tried. What
 * Meta refuses is a check that failed and no failure. */
wf_status_t wf_manage_test_connection(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                                      const char *company_id,
                                      const char *account_id) WF_MUST_CHECK;

#endif
