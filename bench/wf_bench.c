/* Makes what bench/run needs many of, fast: encrypted requests and RSA keys. It shares no code with
 * the library, so that a request is what WhatsApp would send and not what we think we can read.
 *
 *   wf-bench requests HOST AES_KEY_HEX KEYS < lines > requests
 *     a line: path TAB app secret TAB number of the key in KEYS TAB plaintext
 *     KEYS:   one public key a line, base64 of its DER (SubjectPublicKeyInfo)
 *     out:    per request 8 decimal digits (its length), then the whole HTTP request
 *
 *   wf-bench signed HOST < lines > requests
 *     a line: path TAB app secret TAB body; out: as above
 *
 *   wf-bench keys COUNT > lines
 *     a line: base64 of the private key (PKCS#8 DER) TAB base64 of the public key
 *
 *   wf-bench send PORT RATE CONNECTIONS REQUESTS > lines
 *     posts each request once, RATE of them a second, however long the answers take
 *     a line: when it was due, was sent, was answered (microseconds), status (0: connection lost)
 *
 *   wf-bench receive PORT LOG
 *     answers callbacks with 200; a line of LOG: when it was there (microseconds), message id
 *
 * All requests have one AES key and IV: any answer can then be decrypted without knowing its
 * request. The server cannot tell: its work is the same. Keys are pairs of primes from a small
 * pool, distinct but weak, which makes ten thousand of them in seconds. For measuring only. */
#include "wf_bench.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AES_LEN 16
#define RSA_LEN 256
#define PRIME_BITS 1024
#define PLAIN_MAX 65536
#define THREADS_MAX 16

void die(const char *what)
{
    fprintf(stderr, "wf-bench: %s\n", what);
    _exit(1);
}

void *must(void *p, const char *what)
{
    if (!p) {
        die(what);
    }
    return p;
}

/* ---- lines
 * ------------------------------------------------------------------------------------------- */

typedef struct {
    char **line;
    size_t count, room;
} lines_t;

static void lines_read(lines_t *l, FILE *in)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;

    memset(l, 0, sizeof(*l));
    while ((len = getline(&line, &room, in)) > 0) {
        if (line[len - 1] == '\n') {
            line[len - 1] = '\0';
        }
        if (l->count == l->room) {
            l->room = l->room ? l->room * 2 : 1024;
            l->line = must(realloc(l->line, l->room * sizeof(*l->line)), "no memory");
        }
        l->line[l->count++] = must(strdup(line), "no memory");
    }
    free(line);
}

/* ---- requests
 * ------------------------------------------------------------------------------------------ */

typedef struct job_t {
    void (*make)(struct job_t *job, size_t at);
    const char *host;
    unsigned char aes[AES_LEN], iv[AES_LEN];
    EVP_PKEY **keys;
    size_t key_count;
    lines_t in;
    char **out;
    size_t *out_len;
} job_t;

typedef struct {
    job_t *job;
    size_t first, step;
} part_t;

static EVP_PKEY *public_key(const char *base64)
{
    unsigned char der[1024];
    const unsigned char *p = der;
    size_t len = strlen(base64);
    EVP_PKEY *key;
    int n;

    if (len % 4 != 0 || len / 4 * 3 > sizeof(der)) {
        die("KEYS: not base64");
    }
    n = EVP_DecodeBlock(der, (const unsigned char *)base64, (int)len);
    key = n > 0 ? d2i_PUBKEY(NULL, &p, n) : NULL;
    if (!key || EVP_PKEY_get_size(key) != RSA_LEN) {
        die("KEYS: not an RSA-2048 public key");
    }
    return key;
}

static void wrap_key(unsigned char out[RSA_LEN], EVP_PKEY *key, const unsigned char aes[AES_LEN])
{
    EVP_PKEY_CTX *c = must(EVP_PKEY_CTX_new(key, NULL), "RSA");
    size_t len = RSA_LEN;

    if (EVP_PKEY_encrypt_init(c) <= 0 ||
        EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) <= 0 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(c, EVP_sha256()) <= 0 ||
        EVP_PKEY_CTX_set_rsa_mgf1_md(c, EVP_sha256()) <= 0 ||
        EVP_PKEY_encrypt(c, out, &len, aes, AES_LEN) <= 0 || len != RSA_LEN) {
        die("RSA encryption failed");
    }
    EVP_PKEY_CTX_free(c);
}

static size_t encrypt(unsigned char *out, const job_t *job, const char *plain, size_t len)
{
    EVP_CIPHER_CTX *c = must(EVP_CIPHER_CTX_new(), "AES");
    int n, tail;

    if (!EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, NULL, NULL) ||
        !EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, AES_LEN, NULL) ||
        !EVP_EncryptInit_ex(c, NULL, NULL, job->aes, job->iv) ||
        !EVP_EncryptUpdate(c, out, &n, (const unsigned char *)plain, (int)len) ||
        !EVP_EncryptFinal_ex(c, out + n, &tail) ||
        !EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, out + n + tail)) {
        die("AES encryption failed");
    }
    EVP_CIPHER_CTX_free(c);
    return (size_t)(n + tail) + 16;
}

static char *http_request(size_t *len, const job_t *job, const char *path, const char *secret,
                          const char *body)
{
    unsigned char mac[32];
    char hex[65], *out = NULL;
    unsigned int mac_len = 0;
    int i, n;

    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)body, strlen(body), mac,
         &mac_len);
    for (i = 0; i < 32; i++) {
        snprintf(hex + 2 * i, 3, "%02x", mac[i]);
    }
    n = asprintf(&out,
                 "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                 "X-Hub-Signature-256: sha256=%s\r\nContent-Length: %zu\r\n\r\n%s",
                 path, job->host, hex, strlen(body), body);
    if (n < 0) {
        die("no memory");
    }
    *len = (size_t)n;
    return out;
}

static void make_request(job_t *job, size_t at)
{
    unsigned char wrapped[RSA_LEN];
    unsigned char *data;
    char rsa64[RSA_LEN * 4 / 3 + 8], iv64[32], *data64, *body = NULL, *save = NULL;
    char *path = strtok_r(job->in.line[at], "\t", &save);
    char *secret = strtok_r(NULL, "\t", &save), *number = strtok_r(NULL, "\t", &save);
    char *plain = save;
    size_t key, len;

    if (!path || !secret || !number || !plain || (len = strlen(plain)) > PLAIN_MAX) {
        die("a line is: path TAB secret TAB key number TAB plaintext");
    }
    key = strtoul(number, NULL, 10);
    if (key >= job->key_count) {
        die("a line names a key that KEYS does not have");
    }
    data = must(malloc(len + 32), "no memory");
    data64 = must(malloc((len + 32) * 4 / 3 + 8), "no memory");
    wrap_key(wrapped, job->keys[key], job->aes);
    len = encrypt(data, job, plain, len);
    EVP_EncodeBlock((unsigned char *)rsa64, wrapped, RSA_LEN);
    EVP_EncodeBlock((unsigned char *)iv64, job->iv, AES_LEN);
    EVP_EncodeBlock((unsigned char *)data64, data, (int)len);
    if (asprintf(&body,
                 "{\"encrypted_flow_data\":\"%s\",\"encrypted_aes_key\":\"%s\",\"initial_vector\":"
                 "\"%s\"}",
                 data64, rsa64, iv64) < 0) {
        die("no memory");
    }
    job->out[at] = http_request(&job->out_len[at], job, path, secret, body);
    free(body);
    free(data64);
    free(data);
    free(job->in.line[at]);
}

static void make_signed(job_t *job, size_t at)
{
    char *save = NULL, *path = strtok_r(job->in.line[at], "\t", &save);
    char *secret = strtok_r(NULL, "\t", &save);

    if (!path || !secret || !save) {
        die("a line is: path TAB secret TAB body");
    }
    job->out[at] = http_request(&job->out_len[at], job, path, secret, save);
    free(job->in.line[at]);
}

static void *make_part(void *baton)
{
    part_t *p = baton;
    size_t i;

    for (i = p->first; i < p->job->in.count; i += p->step) {
        p->job->make(p->job, i);
    }
    return NULL;
}

static size_t thread_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (size_t)n;
}

static void make_all(job_t *job)
{
    pthread_t thread[THREADS_MAX];
    part_t part[THREADS_MAX];
    size_t i, n = thread_count();

    for (i = 0; i < n; i++) {
        part[i] = (part_t){job, i, n};
        if (pthread_create(&thread[i], NULL, make_part, &part[i]) != 0) {
            die("no thread");
        }
    }
    for (i = 0; i < n; i++) {
        pthread_join(thread[i], NULL);
    }
}

/* Makes a request of each line of stdin. */
static int write_requests(job_t *job)
{
    size_t i;

    lines_read(&job->in, stdin);
    job->out = must(calloc(job->in.count + 1, sizeof(*job->out)), "no memory");
    job->out_len = must(calloc(job->in.count + 1, sizeof(*job->out_len)), "no memory");
    make_all(job);
    for (i = 0; i < job->in.count; i++) {
        printf("%08zu", job->out_len[i]);
        fwrite(job->out[i], 1, job->out_len[i], stdout);
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}

static int run_signed(const char *host)
{
    job_t job = {.make = make_signed, .host = host};

    return write_requests(&job);
}

static int run_requests(const char *host, const char *aes_hex, const char *keys_file)
{
    job_t job = {.make = make_request, .host = host};
    lines_t keys;
    FILE *in = must(fopen(keys_file, "r"), "KEYS cannot be read");
    size_t i;

    for (i = 0; i < AES_LEN; i++) {
        unsigned int byte;

        if (sscanf(aes_hex + 2 * i, "%2x", &byte) != 1) {
            die("AES_KEY_HEX: 32 hex digits");
        }
        job.aes[i] = (unsigned char)byte;
        job.iv[i] = (unsigned char)(byte ^ 0x5a);
    }
    lines_read(&keys, in);
    fclose(in);
    job.key_count = keys.count;
    job.keys = must(calloc(keys.count + 1, sizeof(*job.keys)), "no memory");
    for (i = 0; i < keys.count; i++) {
        job.keys[i] = public_key(keys.line[i]);
    }
    return write_requests(&job);
}

/* ---- keys
 * ------------------------------------------------------------------------------------------------
 */

static EVP_PKEY *key_of_primes(const BIGNUM *p, const BIGNUM *q, BN_CTX *bn)
{
    OSSL_PARAM_BLD *b = must(OSSL_PARAM_BLD_new(), "no memory");
    BIGNUM *e = BN_new(), *n = BN_new(), *p1 = BN_new(), *q1 = BN_new(), *phi = BN_new();
    BIGNUM *dp = BN_new(), *dq = BN_new();
    BIGNUM *d, *qinv;
    EVP_PKEY_CTX *c = must(EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL), "RSA");
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params;

    BN_set_word(e, 65537);
    BN_mul(n, p, q, bn);
    BN_sub(p1, p, BN_value_one());
    BN_sub(q1, q, BN_value_one());
    BN_mul(phi, p1, q1, bn);
    d = BN_mod_inverse(NULL, e, phi, bn);
    qinv = BN_mod_inverse(NULL, q, p, bn);
    if (d && qinv) { /* d: NULL where 65537 divides phi */
        BN_mod(dp, d, p1, bn);
        BN_mod(dq, d, q1, bn);
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n);
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e);
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_D, d);
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_FACTOR1, p);
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_FACTOR2, q);
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_EXPONENT1, dp);
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_EXPONENT2, dq);
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, qinv);
        params = must(OSSL_PARAM_BLD_to_param(b), "RSA");
        if (EVP_PKEY_fromdata_init(c) <= 0 ||
            EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEYPAIR, params) <= 0) {
            die("the primes make no key");
        }
        OSSL_PARAM_free(params);
    }
    OSSL_PARAM_BLD_free(b);
    EVP_PKEY_CTX_free(c);
    BN_free(e), BN_free(n), BN_free(p1), BN_free(q1), BN_free(phi), BN_free(dp), BN_free(dq);
    BN_free(d), BN_free(qinv);
    return key;
}

static void print_base64(const unsigned char *der, int len, char end)
{
    unsigned char text[4096];

    if (len <= 0 || (size_t)len / 3 * 4 + 8 > sizeof(text)) {
        die("a key is too long");
    }
    EVP_EncodeBlock(text, der, len);
    printf("%s%c", text, end);
}

static void print_key(EVP_PKEY *key)
{
    PKCS8_PRIV_KEY_INFO *p8 = must(EVP_PKEY2PKCS8(key), "PKCS#8");
    unsigned char *secret = NULL, *public = NULL;
    int secret_len = i2d_PKCS8_PRIV_KEY_INFO(p8, &secret);

    print_base64(secret, secret_len, '\t');
    print_base64(public, i2d_PUBKEY(key, &public), '\n');
    OPENSSL_free(secret);
    OPENSSL_free(public);
    PKCS8_PRIV_KEY_INFO_free(p8);
}

static int run_keys(size_t count)
{
    BN_CTX *bn = must(BN_CTX_new(), "no memory");
    BIGNUM **prime;
    size_t pool = 2, i, k, made = 0;

    /* A few more pairs than keys: a prime that 65537 divides (minus one) is passed over. */
    while (pool * (pool - 1) / 2 < count + count / 8 + 2) {
        pool++;
    }
    prime = must(calloc(pool, sizeof(*prime)), "no memory");
    for (i = 0; i < pool; i++) {
        prime[i] = must(BN_new(), "no memory");
        if (!BN_generate_prime_ex(prime[i], PRIME_BITS, 0, NULL, NULL, NULL)) {
            die("no prime");
        }
    }
    for (i = 0; i < pool; i++) {
        for (k = i + 1; k < pool && made < count; k++) {
            EVP_PKEY *key = key_of_primes(prime[i], prime[k], bn);

            if (key) {
                print_key(key);
                EVP_PKEY_free(key);
                made++;
            }
        }
    }
    return made == count && fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "requests") == 0 && strlen(argv[3]) == 2 * AES_LEN) {
        return run_requests(argv[2], argv[3], argv[4]);
    }
    if (argc == 3 && strcmp(argv[1], "signed") == 0) {
        return run_signed(argv[2]);
    }
    if (argc == 6 && strcmp(argv[1], "send") == 0) {
        return run_send(argv[2], argv[3], argv[4], argv[5]);
    }
    if (argc == 4 && strcmp(argv[1], "receive") == 0) {
        return run_receive(argv[2], argv[3]);
    }
    if (argc == 3 && strcmp(argv[1], "keys") == 0) {
        return run_keys(strtoul(argv[2], NULL, 10));
    }
    fputs("usage: wf-bench requests HOST AES_KEY_HEX KEYS < lines\n"
          "       wf-bench signed HOST < lines\n"
          "       wf-bench keys COUNT\n"
          "       wf-bench send PORT RATE CONNECTIONS REQUESTS\n"
          "       wf-bench receive PORT LOG\n",
          stderr);
    return 2;
}
