#include "crypto/wf_rsa_int.h"

#include <apr_lib.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"
#define PRIVATE_KEY "PRIVATE KEY"
#define ENCRYPTED_LABEL "ENCRYPTED PRIVATE KEY"

/* Key derivations that a key file may ask for: openssl's default is 2048 rounds; more than these
 * would let one imported key hold a thread for seconds. scrypt's memory is limited by OpenSSL. */
#define PBE_ROUNDS_MAX 2000000
#define SCRYPT_PARALLEL_MAX 16
#define PASSPHRASE_MAX 1024

/* ---- taking the text apart ---------------------------------------------------------------- */

/* PEM has no backslashes of its own: "\n" and "\\n" come from environment variables and from JSON
 * that was escaped twice. */
static char *without_backslashes(apr_pool_t *pool, const char *text, size_t len)
{
    char *out = wf_secret_alloc(pool, len + 1), *o = out;
    size_t i;

    for (i = 0; i < len && text[i]; i++) {
        if (text[i] != '\\') {
            *o++ = text[i];
            continue;
        }
        while (i + 1 < len && text[i + 1] == '\\') {
            i++;
        }
        if (i + 1 < len && strchr("nrt", text[i + 1])) {
            i++;
        }
        *o++ = '\n';
    }
    return out;
}

typedef struct {
    char *label;
    char *body; /* from after the BEGIN line, cut off at the END line */
} block_t;

/* The first block whose label ends in PRIVATE KEY: files often hold the public half or parameters
 * too. Where there is none, `label` is that of the first block, for the message. */
static int find_block(block_t *out, char *text)
{
    char *at = text;

    memset(out, 0, sizeof(*out));
    while ((at = strstr(at, BEGIN)) != NULL) {
        char *label = at + sizeof(BEGIN) - 1;
        char *label_end = strstr(label, DASHES);
        char *end = label_end ? strstr(label_end + sizeof(DASHES) - 1, END) : NULL;
        int is_private;

        if (!end) {
            return 0;
        }
        is_private = label_end - label >= (ptrdiff_t)sizeof(PRIVATE_KEY) - 1 &&
                     strncmp(label_end - (sizeof(PRIVATE_KEY) - 1), PRIVATE_KEY,
                             sizeof(PRIVATE_KEY) - 1) == 0;
        if (is_private || !out->label) {
            out->label = label;
            *label_end = '\0';
        }
        if (is_private) {
            *end = '\0';
            out->body = label_end + sizeof(DASHES) - 1;
            return 1;
        }
        at = end;
    }
    return 0;
}

/* Moves *body past the two header lines of the traditional encryption, if they are there, and
 * returns them as OpenSSL wants them. */
static const char *take_header(apr_pool_t *pool, char **body)
{
    char *info = strstr(*body, "DEK-Info:");
    size_t len;

    if (!strstr(*body, "Proc-Type:") || !info) {
        return NULL;
    }
    info += sizeof("DEK-Info:") - 1;
    while (apr_isspace(*info)) {
        info++;
    }
    len = strcspn(info, " \t\r\n");
    *body = info + len;
    return apr_psprintf(pool, "Proc-Type: 4,ENCRYPTED\nDEK-Info: %.*s\n", (int)len, info);
}

static size_t squeeze(char *text)
{
    char *out = text, *in;

    for (in = text; *in; in++) {
        if (!apr_isspace(*in)) {
            *out++ = *in;
        }
    }
    *out = '\0';
    return (size_t)(out - text);
}

wf_status_t wf_pem_parse(wf_ctx_t *ctx, wf_pem_t *out, const char *text, size_t len)
{
    size_t body_len, der_len;
    unsigned char *der;
    block_t block;

    memset(out, 0, sizeof(*out));
    if (!find_block(&block, without_backslashes(ctx->pool, text, len))) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0035) "not a private key: %s%s",
                              block.label ? "it is a "
                                          : "neither PEM (BEGIN and END lines) nor DER",
                              block.label ? block.label : "");
    }
    out->label = block.label;
    out->header = take_header(ctx->pool, &block.body);
    body_len = squeeze(block.body);
    der = wf_secret_alloc(ctx->pool, WF_BASE64_MAX(body_len));
    if (!wf_base64_decode(der, &der_len, block.body, body_len) || der_len == 0) {
        return wf_fail_public(ctx, WF_EINVALID,
                              WFLOGNO(0036) "not a private key: the text between the BEGIN and END "
                                            "lines is no base64");
    }
    out->der = (wf_secret_t){der, der_len};
    return WF_OK;
}

int wf_pem_is_encrypted(const wf_pem_t *pem)
{
    return pem->header != NULL || strcmp(pem->label, ENCRYPTED_LABEL) == 0;
}

/* ---- decrypting ----------------------------------------------------------------------------- */

static int within(const ASN1_INTEGER *n, int64_t max)
{
    int64_t value;

    return n && ASN1_INTEGER_get_int64(&value, n) && value >= 1 && value <= max;
}

static int is_cipher_offered(int nid)
{
    EVP_CIPHER *cipher = nid > 0 ? EVP_CIPHER_fetch(NULL, OBJ_nid2sn(nid), NULL) : NULL;

    EVP_CIPHER_free(cipher);
    return cipher != NULL;
}

static int is_derivation_ok(const X509_ALGOR *derivation)
{
    int nid = OBJ_obj2nid(derivation->algorithm), ok = 0;

    if (nid == NID_id_pbkdf2) {
        PBKDF2PARAM *params =
            ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), derivation->parameter);
        ok = params && within(params->iter, PBE_ROUNDS_MAX);
        PBKDF2PARAM_free(params);
    } else if (nid == NID_id_scrypt) {
        SCRYPT_PARAMS *params =
            ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), derivation->parameter);
        ok = params && within(params->parallelizationParameter, SCRYPT_PARALLEL_MAX);
        SCRYPT_PARAMS_free(params);
    }
    return ok;
}

/* 1 if OpenSSL can undo this encryption of a PKCS#8 key, at a bounded cost. */
static int is_encryption_ok(const X509_ALGOR *algorithm)
{
    int nid = OBJ_obj2nid(algorithm->algorithm), cipher, digest, ok;

    if (nid == NID_pbes2) {
        PBE2PARAM *params =
            ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);
        ok = params && is_derivation_ok(params->keyfunc) &&
             is_cipher_offered(OBJ_obj2nid(params->encryption->algorithm));
        PBE2PARAM_free(params);
    } else {
        PBEPARAM *params =
            ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);
        ok = params && within(params->iter, PBE_ROUNDS_MAX) &&
             EVP_PBE_find(EVP_PBE_TYPE_OUTER, nid, &cipher, &digest, NULL) &&
             is_cipher_offered(cipher);
        PBEPARAM_free(params);
    }
    return ok;
}

typedef enum { DECRYPTED, WRONG_PASSPHRASE, NOT_SUPPORTED } decrypted_t;

static decrypted_t decrypt_pkcs8(wf_ctx_t *ctx, wf_secret_t *der, const wf_secret_t *encrypted,
                                 const char *passphrase, size_t passphrase_len)
{
    const unsigned char *in = encrypted->data;
    X509_SIG *sealed = d2i_X509_SIG(NULL, &in, (long)encrypted->len);
    const X509_ALGOR *algorithm = NULL;
    PKCS8_PRIV_KEY_INFO *info = NULL;
    decrypted_t result = NOT_SUPPORTED;
    unsigned char *out = NULL;
    int len;

    if (sealed) {
        X509_SIG_get0(sealed, &algorithm, NULL);
    }
    if (!algorithm || !is_encryption_ok(algorithm)) {
        goto out;
    }
    result = WRONG_PASSPHRASE;
    info = PKCS8_decrypt(sealed, passphrase, (int)passphrase_len);
    len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &out) : 0;
    if (len > 0) {
        der->data = wf_secret_alloc(ctx->pool, (size_t)len);
        der->len = (size_t)len;
        memcpy(der->data, out, der->len);
        OPENSSL_clear_free(out, der->len);
        result = DECRYPTED;
    }
out:
    PKCS8_PRIV_KEY_INFO_free(info); /* wipes the key */
    X509_SIG_free(sealed);
    return result;
}

/* What OpenSSL asks for a passphrase; without one it would ask on the terminal. */
static int give_passphrase(char *out, int size, int for_writing, void *baton)
{
    const wf_slice_t *passphrase = baton;

    if (size < 0 || passphrase->len > (size_t)size) {
        return -1;
    }
    memcpy(out, passphrase->data, passphrase->len);
    return (int)passphrase->len;
}

/* A wrong passphrase passes the padding check once in 256 times: look for a SEQUENCE that fills
 * the text. */
static int is_der_sequence(const unsigned char *der, size_t len)
{
    const unsigned char *p = der;
    int tag, class;
    long content;

    return (ASN1_get_object(&p, &content, &tag, &class, (long)len) & 0x80) == 0 &&
           tag == V_ASN1_SEQUENCE && (size_t)(p - der) + (size_t)content == len;
}

static decrypted_t decrypt_traditional(wf_ctx_t *ctx, wf_secret_t *der, const wf_pem_t *pem,
                                       const char *passphrase, size_t passphrase_len)
{
    wf_slice_t given = {passphrase, passphrase_len};
    unsigned char *data = wf_secret_alloc(ctx->pool, pem->der.len);
    long len = (long)pem->der.len;
    EVP_CIPHER_INFO cipher;

    if (!PEM_get_EVP_CIPHER_INFO(apr_pstrdup(ctx->pool, pem->header), &cipher) || !cipher.cipher ||
        !is_cipher_offered(EVP_CIPHER_get_nid(cipher.cipher))) {
        return NOT_SUPPORTED;
    }
    memcpy(data, pem->der.data, pem->der.len);
    if (!PEM_do_header(&cipher, data, &len, give_passphrase, &given) ||
        !is_der_sequence(data, (size_t)len)) {
        return WRONG_PASSPHRASE;
    }
    *der = (wf_secret_t){data, (size_t)len};
    return DECRYPTED;
}

static decrypted_t decrypt_with(wf_ctx_t *ctx, wf_secret_t *der, const wf_pem_t *pem,
                                const char *passphrase, size_t len)
{
    return pem->header ? decrypt_traditional(ctx, der, pem, passphrase, len)
                       : decrypt_pkcs8(ctx, der, &pem->der, passphrase, len);
}

wf_status_t wf_pem_decrypt(wf_ctx_t *ctx, wf_secret_t *der, const wf_pem_t *pem,
                           const char *passphrase)
{
    size_t len = passphrase ? strlen(passphrase) : 0, trimmed = len;
    decrypted_t result;

    memset(der, 0, sizeof(*der));
    if (len == 0 || len > PASSPHRASE_MAX) {
        return wf_fail_public(ctx, WF_EDENIED,
                              WFLOGNO(0037) "the private key is encrypted: a passphrase of 1 to %d "
                                            "bytes is needed",
                              PASSPHRASE_MAX);
    }
    result = decrypt_with(ctx, der, pem, passphrase, len);
    while (trimmed > 0 && strchr("\r\n", passphrase[trimmed - 1])) {
        trimmed--; /* what `echo secret > file` leaves behind */
    }
    if (result == WRONG_PASSPHRASE && trimmed < len) {
        result = decrypt_with(ctx, der, pem, passphrase, trimmed);
    }
    ERR_clear_error();
    switch (result) {
    case DECRYPTED:
        return WF_OK;
    case WRONG_PASSPHRASE:
        return wf_fail_public(ctx, WF_EDENIED,
                              WFLOGNO(0038) "the passphrase does not open the private key");
    default:
        return wf_fail_public(
            ctx, WF_EINVALID,
            WFLOGNO(0039) "the private key's encryption is damaged, too costly or "
                          "not offered by OpenSSL here: encrypt it anew with "
                          "'openssl pkcs8 -topk8 -v2 aes-256-cbc'");
    }
}
