#include "http/wf_http_int.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

typedef struct {
    int family;
    unsigned char address[16]; /* the first 4 for AF_INET */
    int bits;
} network_t;

struct wf_http_guard_t {
    const network_t *allowed;
    int count;
};

/* IANA's special-purpose registry: nothing in it is a company's public server. */
static const network_t forbidden_v4[] = {
    {AF_INET, {0}, 8},             /* this host */
    {AF_INET, {10}, 8},            /* private */
    {AF_INET, {100, 64}, 10},      /* carrier-grade NAT */
    {AF_INET, {127}, 8},           /* loopback */
    {AF_INET, {169, 254}, 16},     /* link-local, clouds' metadata services */
    {AF_INET, {172, 16}, 12},      /* private */
    {AF_INET, {192, 0, 0}, 24},    /* protocol assignments */
    {AF_INET, {192, 0, 2}, 24},    /* documentation */
    {AF_INET, {192, 88, 99}, 24},  /* 6to4 relays */
    {AF_INET, {192, 168}, 16},     /* private */
    {AF_INET, {198, 18}, 15},      /* benchmarks */
    {AF_INET, {198, 51, 100}, 24}, /* documentation */
    {AF_INET, {203, 0, 113}, 24},  /* documentation */
    {AF_INET, {224}, 4},           /* multicast */
    {AF_INET, {240}, 4},           /* reserved, broadcast */
};

/* Of IPv6 only global unicast is let through: that leaves out ::, ::1, mapped, NAT64, unique local,
 * link-local and multicast addresses in one go, and whatever else is invented outside it. */
static const network_t global_unicast = {AF_INET6, {0x20}, 3};
static const network_t forbidden_v6[] = {
    {AF_INET6, {0x20, 0x01, 0x00}, 23},       /* protocol assignments, Teredo, ORCHID */
    {AF_INET6, {0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {AF_INET6, {0x20, 0x02}, 16},             /* 6to4: an IPv4 address in disguise */
    {AF_INET6, {0x3f, 0xff, 0x00}, 20},       /* documentation */
};

static int matches(const network_t *network, int family, const unsigned char *address)
{
    int whole = network->bits / 8, rest = network->bits % 8;

    if (network->family != family || memcmp(network->address, address, (size_t)whole) != 0) {
        return 0;
    }
    return rest == 0 || ((network->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

static int matches_any(const network_t *networks, size_t count, int family,
                       const unsigned char *address)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (matches(&networks[i], family, address)) {
            return 1;
        }
    }
    return 0;
}

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static int is_allowed(const wf_http_guard_t *guard, int family, const unsigned char *address)
{
    if (guard && matches_any(guard->allowed, (size_t)guard->count, family, address)) {
        return 1;
    }
    if (family == AF_INET) {
        return !matches_any(forbidden_v4, COUNT(forbidden_v4), family, address);
    }
    return matches(&global_unicast, family, address) &&
           !matches_any(forbidden_v6, COUNT(forbidden_v6), family, address);
}

int wf_http_sockaddr_allowed(const wf_http_guard_t *guard, const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)(const void *)address;
        return is_allowed(guard, AF_INET, (const unsigned char *)&a->sin_addr);
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)(const void *)address;
        return is_allowed(guard, AF_INET6, a->sin6_addr.s6_addr);
    }
    return 0;
}

int wf_http_address_allowed(const wf_http_guard_t *guard, const char *address)
{
    unsigned char bytes[16];

    if (!address) {
        return 0;
    }
    if (inet_pton(AF_INET, address, bytes) == 1) {
        return is_allowed(guard, AF_INET, bytes);
    }
    return inet_pton(AF_INET6, address, bytes) == 1 && is_allowed(guard, AF_INET6, bytes);
}

/* ---- CIDRs -------------------------------------------------------------------------------- */

/* Bits of the address beyond the prefix. */
static int has_host_bits(const network_t *network)
{
    int size = network->family == AF_INET ? 4 : 16, i;

    for (i = 0; i < size; i++) {
        int used = network->bits - 8 * i;
        unsigned char mask = used >= 8 ? 0 : used <= 0 ? 0xff : (unsigned char)(0xff >> used);

        if (network->address[i] & mask) {
            return 1;
        }
    }
    return 0;
}

static const char *parse_cidr(apr_pool_t *pool, network_t *out, const char *cidr)
{
    const char *slash = cidr ? strchr(cidr, '/') : NULL;
    const char *address;
    int64_t bits;
    int max;

    memset(out, 0, sizeof(*out));
    if (!cidr) {
        return "empty";
    }
    address = slash ? apr_pstrmemdup(pool, cidr, (size_t)(slash - cidr)) : cidr;
    out->family = strchr(address, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(out->family, address, out->address) != 1) {
        return apr_psprintf(
            pool, "'%.60s' is not an IP address; write e.g. 10.1.0.0/16 or fd00::/8", address);
    }
    max = out->family == AF_INET ? 32 : 128;
    if (slash && !wf_parse_int(&bits, slash + 1, 0, max)) {
        return apr_psprintf(pool, "the part after '/' is not a number from 0 to %d", max);
    }
    out->bits = slash ? (int)bits : max;
    if (has_host_bits(out)) {
        return apr_psprintf(pool,
                            "the address has bits set beyond /%d; write the network's first "
                            "address, or a longer prefix",
                            out->bits);
    }
    return NULL;
}

const char *wf_http_cidr_check(apr_pool_t *pool, const char *cidr)
{
    network_t network;

    return parse_cidr(pool, &network, cidr);
}

wf_status_t wf_http_guard_make(wf_ctx_t *ctx, wf_http_guard_t **out, apr_pool_t *pool,
                               const apr_array_header_t *cidrs)
{
    wf_http_guard_t *guard = apr_pcalloc(pool, sizeof(*guard));
    int count = cidrs ? cidrs->nelts : 0, i;
    network_t *allowed = apr_pcalloc(pool, (size_t)(count + 1) * sizeof(*allowed));

    *out = NULL;
    for (i = 0; i < count; i++) {
        const char *cidr = APR_ARRAY_IDX(cidrs, i, const char *);
        const char *fault = parse_cidr(ctx->pool, &allowed[i], cidr);

        if (fault) {
            return wf_fail(ctx, WF_EINVALID, WFLOGNO(0110) "allowed destination '%.60s': %s",
                           cidr ? cidr : "", fault);
        }
    }
    guard->allowed = allowed;
    guard->count = count;
    *out = guard;
    return WF_OK;
}
