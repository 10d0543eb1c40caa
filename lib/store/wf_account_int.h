/* What the files of the accounts' store share. Internal to lib/store. */
#ifndef WF_ACCOUNT_INT_H
#define WF_ACCOUNT_INT_H

#include "store/wf_store_int.h"

#define WF_ACCOUNT_TABLE "whatsapp_accounts"
#define WF_ACCOUNT_SECRET_MAX 4096

/* What a caller may set of an account (wf_account_store.c). */
#define WF_ACCOUNT_FIELDS 22
extern const wf_field_t wf_account_fields[WF_ACCOUNT_FIELDS];
/* The row that `members` alone describe: what they do not name is as in a new account. Without secrets. */
wf_json_t *wf_account_whole(apr_pool_t *pool, const wf_json_t *members);

/* ---- sealing (wf_account_seal.c) -------------------------------------------------------- */

/* Seals columns of one account row with the company's current data key. */
typedef struct {
    wf_change_t *change;
    const wf_keyring_t *ring;
    const char *account_id; /* as stored */
    wf_json_t *row;         /* receives the sealed columns */
    wf_data_key_t key;
} wf_sealer_t;

wf_status_t wf_sealer_open(wf_ctx_t *ctx, wf_sealer_t *s, wf_change_t *change,
                           const wf_keyring_t *ring, const char *account_id,
                           wf_json_t *row) WF_MUST_CHECK;
/* Wipes the key; after a failed open too. */
void wf_sealer_close(wf_sealer_t *s);
wf_status_t wf_sealer_seal(wf_ctx_t *ctx, wf_sealer_t *s, const char *column, const void *plain,
                           size_t len) WF_MUST_CHECK;
wf_status_t wf_sealer_unseal(wf_ctx_t *ctx, wf_secret_t *out, const wf_sealer_t *s,
                             const char *column, const char *sealed) WF_MUST_CHECK;
/* A sealed value is bound to its column, so that keeping it as the previous one means sealing it
 * anew. `sealed` NULL or no overlap: there is no previous one. */
wf_status_t wf_sealer_keep_previous(wf_ctx_t *ctx, wf_sealer_t *s, const char *column,
                                    const char *previous_column, const char *until_column,
                                    const char *sealed, apr_interval_time_t overlap) WF_MUST_CHECK;
/* How long what is replaced goes on; a negative one is the default. */
apr_interval_time_t wf_account_overlap(apr_interval_time_t overlap);

/* ---- one account in a change (wf_account_change.c) -------------------------------------- */

/* What an account is before a change. */
typedef struct {
    wf_json_t *doc;
    const char *id; /* as stored: what is sealed is bound to its letters */
    const char *app_secret, *private_key, *callback_secret; /* sealed, or NULL */
    const char *next_private_key, *next_public_key;         /* the first sealed; NULL: none */
    const char *rotation_id; /* NULL: none is under way */
    apr_time_t rotation_until;
} wf_account_before_t;

/* WF_ENOTFOUND; WF_ESTALE where the actor has seen another version. */
wf_status_t wf_account_before(wf_ctx_t *ctx, wf_account_before_t *out, wf_change_t *change,
                              const char *account_id) WF_MUST_CHECK;
/* The columns of `row` into the account's row; *after: the record as it is then. */
wf_status_t wf_account_save(wf_ctx_t *ctx, wf_json_t **after, wf_change_t *change,
                            const char *account_id, const wf_json_t *row) WF_MUST_CHECK;

#endif
