#include "crypto/wf_crypto.h"

#include <argon2.h>
#include <string.h>

/* OWASP's choice for argon2id: 19 MiB, two passes, one lane. */
#define MEMORY_KIB 19456
#define PASSES 2
#define LANES 1
#define SALT_LEN 16
#define HASH_LEN 32
#define ENCODED_MAX 128
#define PASSWORD_MAX 1024

/* What an imported hash may ask for; more would let one log-in hold a thread and its memory. */
#define MEMORY_KIB_MAX (256 * 1024)
#define PASSES_MAX 16
#define LANES_MAX 16

static wf_status_t argon2_fail(wf_ctx_t *ctx, int rc)
{
    return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0046) "argon2: %s", argon2_error_message(rc));
}

wf_status_t wf_password_hash(wf_ctx_t *ctx, const char **encoded, const char *password)
{
    char *text = apr_palloc(ctx->pool, ENCODED_MAX);
    size_t len = strlen(password);
    unsigned char salt[SALT_LEN];
    wf_status_t st;
    int rc;

    *encoded = NULL;
    if (len > PASSWORD_MAX) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0045) "password: longer than %d bytes",
                              PASSWORD_MAX);
    }
    st = wf_rand_bytes(ctx, salt, sizeof(salt));
    if (st != WF_OK) {
        return st;
    }
    rc = argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, password, len, salt, sizeof(salt),
                               HASH_LEN, text, ENCODED_MAX);
    if (rc != ARGON2_OK) {
        return argon2_fail(ctx, rc);
    }
    *encoded = text;
    return WF_OK;
}

/* The number after `name` in "$argon2id$v=19$m=19456,t=2,p=1$…", if it is within its maximum. */
static int cost_ok(const char *encoded, const char *name, int64_t max)
{
    const char *digits = strstr(encoded, name);
    char text[12];
    int64_t value;
    size_t len;

    if (!digits) {
        return 0;
    }
    digits += strlen(name);
    len = strspn(digits, "0123456789");
    if (len >= sizeof(text)) {
        return 0;
    }
    apr_cpystrn(text, digits, len + 1);
    return wf_parse_int(&value, text, 1, max);
}

wf_status_t wf_password_verify(wf_ctx_t *ctx, const char *encoded, const char *password)
{
    size_t len = strlen(password);
    int rc;

    if (!encoded || !cost_ok(encoded, "$m=", MEMORY_KIB_MAX) ||
        !cost_ok(encoded, ",t=", PASSES_MAX) || !cost_ok(encoded, ",p=", LANES_MAX)) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0047) "the stored hash is no argon2id hash");
    }
    rc = len > PASSWORD_MAX ? ARGON2_VERIFY_MISMATCH : argon2id_verify(encoded, password, len);
    if (rc == ARGON2_MEMORY_ALLOCATION_ERROR) {
        return argon2_fail(ctx, rc);
    }
    if (rc != ARGON2_OK) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0048) "wrong password");
    }
    return WF_OK;
}
