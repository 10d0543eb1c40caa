/* Names of this module's directives: as symbols, so that a misspelt one does not compile. */
#ifndef WFT_DIRECTIVES_H
#define WFT_DIRECTIVES_H

#define WFT_DB "WflowsDB"
#define WFT_DB_POOL_MAX "WflowsDBPoolMax"
#define WFT_DB_POOL_KEEP "WflowsDBPoolKeep"
#define WFT_DB_ACQUIRE_TIMEOUT "WflowsDBAcquireTimeout"
#define WFT_DB_CONNECT_TIMEOUT "WflowsDBConnectTimeout"
#define WFT_DB_STATEMENT_TIMEOUT "WflowsDBStatementTimeout"
#define WFT_DB_RETRY_INTERVAL "WflowsDBRetryInterval"
#define WFT_DB_LIFETIME "WflowsDBLifetime"

#define WFT_REDIS "WflowsRedis"
#define WFT_REDIS_PREFIX "WflowsRedisPrefix"
#define WFT_REDIS_POOL_MAX "WflowsRedisPoolMax"
#define WFT_REDIS_POOL_KEEP "WflowsRedisPoolKeep"
#define WFT_REDIS_TIMEOUT "WflowsRedisTimeout"
#define WFT_REDIS_CONNECT_TIMEOUT "WflowsRedisConnectTimeout"
#define WFT_REDIS_ACQUIRE_TIMEOUT "WflowsRedisAcquireTimeout"
#define WFT_REDIS_RETRY_INTERVAL "WflowsRedisRetryInterval"

#define WFT_KEY "WflowsKey"

#define WFT_TENANT "WflowsTenant"
#define WFT_TENANT_FROM "WflowsTenantFrom"
#define WFT_TENANT_PLATFORM_LIMIT "WflowsTenantPlatformLimit"
#define WFT_TENANT_LIMIT_FAILURE "WflowsTenantLimitFailure"
#define WFT_TENANT_MAX_COMPANIES "WflowsTenantMaxCompanies"
#define WFT_TENANT_MAX_ACCOUNTS "WflowsTenantMaxAccounts"
#define WFT_TENANT_DEFAULT_PLAN "WflowsTenantDefaultPlan"
#define WFT_TENANT_RSA_SLOTS "WflowsTenantRsaSlots"

#define WFT_AUTH_JWT_KEY "WflowsAuthJwtKey"
#define WFT_AUTH_JWKS "WflowsAuthJwks"
#define WFT_AUTH_TOKEN_TTL "WflowsAuthTokenTTL"
#define WFT_AUTH_REFRESH_TTL "WflowsAuthRefreshTTL"
#define WFT_AUTH_TRUST_REMOTE_USER "WflowsAuthTrustRemoteUser"

#endif
