#!/usr/bin/perl
# Every route of /api/v2 × every kind of caller, from the table itself (wflowsctl routes): exactly the documented
# status; no id of another company in path, query or body shows anything of it; and the manners of each path.

use strict;
use warnings;
use lib 't/lib';

use Crypt::PK::RSA;
use File::Temp ();
use Test::More;
use Wflows::Api;
use Wflows::Flows qw(linear_flow);
use Wflows::Graph;
use Wflows::Jwt qw(claims jwt);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok need start_stack);

need('pg', 'redis', 'httpd');

my $graph_dir = File::Temp->newdir('wflows-matrix-XXXXXX', TMPDIR => 1);
my $graph = Wflows::Graph->start(dir => "$graph_dir");
my $stack = start_stack(server_directives => $graph->directives . "WflowsFlowCallbackAllow 127.0.0.1/32\n", httpd => { log_level => 'warn' });
my $mark = 'OnlyAlphaMayReadThis';
my $alpha = Wflows::Tenant->add($stack, slug => 'alpha', name => $mark, flows => { $mark => [linear_flow(['FIRST', 'SECOND'])] });
my $beta = Wflows::Tenant->add($stack, slug => 'beta', flows => { plain => [linear_flow(['FIRST', 'SECOND'])] });
my $platform = Wflows::Api->new($stack);
my @routes = @{ $stack->ctl('routes')->{data} };
my $nowhere = '0190163d-8694-7000-8000-00000000dead';
my @roles = qw(leitura operador gestor admin platform_admin);
my %rank = map { $roles[$_] => $_ } 0 .. $#roles;
cmp_ok(scalar @routes, '>=', 60, 'the table has its ' . @routes . ' routes');

# ---- calls ------------------------------------------------------------------------------------------------------

# A route's path below /api/v2 in a company, its other parameters from `with` or leading nowhere.
sub path_of {
    my ($route, $company, %with) = @_;
    my $path = $route->{path} =~ s{^/api/v2}{}r;
    $path =~ s/\{companyId\}/$company/;
    $path =~ s/\{(\w+)\}/$with{$1} \/\/ ($1 =~ m{^(?:id|\w+Id)\z} ? $nowhere : '1')/ge;
    return $path;
}

# With a body that nothing is done for. What it is admitted to ends with 404, 422 or 428, or has no effect.
sub ask {
    my ($api, $route, $path) = @_;
    return $api->call($route->{method}, $path, $route->{body} ? { no_such_member => 1 } : undef);
}

# One caller on every route; `want` says the status, or undef: admitted, whatever comes of it.
sub row {
    my ($name, $api, $want, %o) = @_;
    my @wrong;
    for my $route (grep { !$o{only} || $o{only}->($_) } @routes) {
        my $r = ask($api, $route, path_of($route, $o{company} // $alpha->{id}));
        my $status = $want->($route);
        push @wrong, "$route->{method} $route->{path}: $r->{status}, not " . ($status // 'admitted')
            if defined $status ? $r->{status} != $status : $r->{status} =~ /^(?:401|403|5..)$/;
    }
    is_deeply(\@wrong, [], $name);
}

sub of_company { return $_[0]{path} =~ /\{companyId\}/ }

# ---- who is nobody --------------------------------------------------------------------------------------------------

my $outside = sub { $_[0]{public} ? undef : 401 };
my $made = $platform->must('POST', "/companies/$alpha->{id}/api-keys", { name => 'gone', scopes => ['read:flows'] });
my $revoked = $made->{key};
is($platform->as_key($revoked)->get("/companies/$alpha->{id}/flows")->{status}, 200, 'a key works');
is($platform->delete("/companies/$alpha->{id}/api-keys/$made->{id}")->{status}, 204, 'until it is revoked');
my $rsa = Crypt::PK::RSA->new;
$rsa->generate_key(256);
my $signed = $platform->mint;
my $claims = claims(sub => 'test', roles => ['platform_admin'], exp => time + 3600);
my %kid = (kid => Wflows::Stack::JWT_KID());
my %nobody = (
    'nobody' => { nobody => 1 },
    'garbage' => { token => 'garbage' },
    'three parts of garbage' => { token => 'a.b.c' },
    'a token that has expired' => { token => $platform->mint(claims => { exp => time - 3600, iat => time - 7200 }) },
    'a token without an end' => { token => $platform->mint(claims => { exp => undef }) },
    'a token of another secret' => { token => $platform->mint(secret => 'x' x 40) },
    'a token of an unknown key' => { token => $platform->mint(kid => 'unknown') },
    'a token that says alg none' => { token => jwt('none', '', $claims, %kid) },
    'a token that says alg none, with a signature' => { token => $platform->mint(header => { alg => 'none' }) },
    'a token that says RS256 over the HMAC key' => { token => $platform->mint(header => { alg => 'RS256' }) },
    'a token of an RSA key of its own' => { token => jwt('RS256', $rsa, $claims, %kid) },
    'a token with HS512' => { token => jwt('HS512', $stack->jwt_secret, $claims, %kid) },
    'a token whose last letter is another' => { token => substr($signed, 0, -2) . (substr($signed, -2, 1) eq 'A' ? 'B' : 'A') . substr($signed, -1) },
    'an API key that there is not' => { api_key => 'wfk_0123456789abcdef_' . 'a' x 43 },
    'half an API key' => { api_key => 'wfk_' },
    'an API key that was revoked' => { api_key => $revoked },
    'an API key that was revoked, as a bearer' => { token => $revoked },
);
for my $name (sort keys %nobody) {
    row("$name gets 401 everywhere but where anybody may", $platform->as(%{ $nobody{$name} }), $outside);
}

# ---- roles, scopes ------------------------------------------------------------------------------------------------------

for my $role (@roles) {
    my $api = $role eq 'platform_admin' ? $platform : $platform->as(role => $role, company => $alpha->{id});
    row("$role may what its role says", $api, sub {
        my ($route) = @_;
        return $route->{public} || $route->{self} || $rank{$role} >= $rank{ $route->{role} } ? undef : 403;
    }, only => sub { $_[0]{name} !~ /^auth_/ }); # of the caller's own log-in: t/40-http-login.t
}

my %scopes = map { $_ => 1 } map { @{ $_->{scopes} } } @routes;
my @all = sort keys %scopes;
cmp_ok(scalar @all, '>=', 12, 'there are ' . @all . ' scopes in the table');
my (%key, $n);
for my $scope (@all) {
    my $made = $platform->must('POST', "/companies/$alpha->{id}/api-keys",
        { name => 'key ' . ++$n, scopes => [$scope], rate_limit_per_minute => 1000000 });
    row("a key with $scope alone may what that says", $platform->as_key($made->{key}), sub {
        my ($route) = @_;
        return $route->{public} || $route->{self} || (@{ $route->{scopes} } && !grep { $_ ne $scope } @{ $route->{scopes} }) ? undef : 403;
    }, only => sub { $_[0]{name} !~ /^auth_/ });
}

# ---- other companies ----------------------------------------------------------------------------------------------------

$key{beta} = $platform->must('POST', "/companies/$beta->{id}/api-keys", { name => 'all', scopes => \@all, rate_limit_per_minute => 1000000 })->{key};
my %beta = (
    (map { ("$_ of another company" => $platform->as(role => $_, company => $beta->{id})) } qw(leitura operador gestor admin)),
    'a key of another company, with every scope' => $platform->as_key($key{beta}),
);
for my $name (sort keys %beta) {
    row("$name finds no company here", $beta{$name}, sub { 404 }, only => \&of_company);
}

# What alpha has: its rows of every list, by the route that lists them.
my $client = $alpha->client(flow => $mark, token => 'a-token-of-alpha');
answers($client->init, 'FIRST', 'alpha has a session');
answers($client->exchange('FIRST', { answer => $mark }), 'SECOND', 'which goes on');
answers($client->exchange('SECOND', { answer => $mark }), 'SUCCESS', 'to its end');
my $admin = $platform->as(role => 'admin', company => $alpha->{id});
$admin->must('POST', "/companies/$alpha->{id}/users", { email => "\L$mark\E\@alpha.example", name => $mark, role => 'admin' });
my %ids;
for my $route (grep { $_->{method} eq 'GET' && $_->{path} =~ m{\{companyId\}/[a-z-]+$} } @routes) {
    my $r = $admin->get(path_of($route, $alpha->{id}));
    next unless $r->{status} == 200 && ref $r->{json}{data} eq 'ARRAY';
    $ids{ $route->{path} } = [map { $_->{id} // $_->{name} // () } @{ $r->{json}{data} }];
}
my ($account, $flow) = map { $ids{"/api/v2/companies/{companyId}/$_"}[0] } qw(whatsapp-accounts flows);
my @stocked = grep { @{ $ids{$_} } } sort keys %ids;
cmp_ok(scalar @stocked, '>=', 7, 'alpha has rows in ' . @stocked . ' lists');

# An id of alpha's in beta's path.
my %spied = (%beta, 'the platform' => $platform);
my @leaks;
my ($asked, @wrong) = (0);
for my $route (grep { $_->{path} =~ m{\{companyId\}/.*\{} } @routes) {
    my ($list) = grep { index($route->{path}, "$_/{") == 0 } sort { length $b <=> length $a } @stocked;
    next unless $list;
    for my $id (@{ $ids{$list} }[0 .. ($#{ $ids{$list} } > 1 ? 1 : $#{ $ids{$list} })]) {
        for my $name (sort keys %spied) {
            next if $name =~ /^(?:leitura|operador|gestor)/; # a role that may not asks for nothing
            my $r = ask($spied{$name}, $route, path_of($route, $beta->{id}, id => $id, flowId => $id, name => $id, kind => $id));
            $asked++;
            my $may = $route->{scopes} && @{ $route->{scopes} } || $name !~ /^a key/;
            push @wrong, "$name, $route->{method} $route->{path}: $r->{status}"
                unless $r->{status} == 404 || $r->{status} == 422 || $r->{status} == 428 || (!$may && $r->{status} == 403) || $r->{status} == 403 && $route->{role} eq 'platform_admin';
            push @leaks, "$name, $route->{method} $route->{path}" if tells($r);
        }
    }
}
cmp_ok($asked, '>=', 100, "an id of another company was put into $asked paths");
is_deeply(\@wrong, [], 'and was not found');

# Of a reading the answer is 404 and nothing softer.
@wrong = ();
for my $route (grep { $_->{method} eq 'GET' && $_->{path} =~ m{^/api/v2/companies/\{companyId\}/([a-z-]+)/\{id\}} } @routes) {
    my ($list) = grep { index($route->{path}, "$_/{") == 0 } @stocked;
    next unless $list;
    my $r = $platform->get(path_of($route, $beta->{id}, id => $ids{$list}[0]));
    push @wrong, "$route->{path}: $r->{status}" unless $r->{status} == 404;
}
is_deeply(\@wrong, [], 'reading it is 404, for the platform, too');

sub tells {
    my ($r) = @_;
    return index($r->{body}, $mark) >= 0 || index($r->{body}, lc $mark) >= 0 || index($r->{body}, $alpha->{id}) >= 0;
}

# In a query: each filter of openapi.json that takes an id, and a text one with alpha's names.
@wrong = ();
$asked = 0;
my $doc = $platform->get('/openapi.json')->{json};
my @alphas = map { @{ $ids{$_} }[0 .. ($#{ $ids{$_} } > 2 ? 2 : $#{ $ids{$_} })] } @stocked;
for my $path (sort grep { /\{companyId\}/ } keys %{ $doc->{paths} }) {
    my $get = $doc->{paths}{$path}{get} or next;
    for my $filter (map { $_->{name} } grep { ($_->{in} // '') eq 'query' && ($_->{schema}{format} // '') eq 'uuid' } @{ $get->{parameters} }) {
        for my $id (@alphas) {
            my $at = path_of({ path => "/api/v2$path" }, $beta->{id}, id => $ids{'/api/v2/companies/{companyId}/flows'}[0]);
            my $r = $beta{'admin of another company'}->get($at, query => { $filter => $id });
            $asked++;
            push @leaks, "$path?$filter" if tells($r);
            push @wrong, "$path?$filter: $r->{status}" unless $r->{status} =~ /^(?:404|422)$/ || ($r->{status} == 200 && !@{ ($r->{json} // { data => [1] })->{data} });
        }
    }
}
is_deeply(\@wrong, [], "nor through a query ($asked were asked)");

# In a body: an account, a flow, a person of alpha's in beta's requests.
my ($own_flow) = map { $_->{id} } @{ $platform->must('GET', "/companies/$beta->{id}/flows")->{data} };
my $boss = $beta{'admin of another company'};
my $in = "/companies/$beta->{id}";
my @bodies = (
    ['POST', "$in/flows", { name => 'stolen', account_id => $account, flow_json => linear_flow(['FIRST', 'SECOND']) }],
    ['PATCH', "$in/flows/$own_flow", { account_id => $account }],
    ['POST', "$in/flows/$own_flow/tokens", { account_id => $account }],
    ['POST', "$in/flows/$own_flow/simulate", { action => 'INIT', ask_backend => \1, account_id => $account }],
    ['POST', "$in/flows/$own_flow/publish", { account_id => $account }],
    ['POST', "$in/flows/$own_flow/deprecate", { account_id => $account }],
    ['POST', "$in/flows/$own_flow/send", { account_id => $account, to => '+5511988880000', text => 'x', button => 'x' }],
    ['POST', "$in/api-keys", { name => 'spy', scopes => ['read:flows'], whatsapp_account_ids => [$account] }],
);
@wrong = ();
for my $try (@bodies) {
    my ($method, $path, $body) = @$try;
    my $r = $boss->call($method, $path, $body, if_match => '*');
    push @wrong, "$method $path: $r->{status} $r->{body}" unless $r->{status} =~ /^(?:404|409|422)$/;
    push @leaks, "$method $path" if tells($r);
}
is_deeply(\@wrong, [], 'nor in a body');
my $replayed = $boss->post("$in/deliveries/replay", { account_id => $account, status => 'done', dry_run => \1 });
ok($replayed->{status} == 404 || $replayed->{status} == 422 || $replayed->{json}{matched} == 0, 'nothing of it is sent again');
for my $as ($alpha->{id}, 'alpha') {
    push @leaks, "X-Tenant: $as" if tells($boss->get('/companies', headers => { 'X-Tenant' => $as }));
}
is_deeply(\@leaks, [], 'no answer to another company has told anything of it');

# ---- the manners of each path ---------------------------------------------------------------------------------------------

my %at;
$at{ $_->{path} }{ $_->{method} } = $_ for @routes;
@wrong = ();
for my $path (sort keys %at) {
    my $call = path_of({ path => $path }, $alpha->{id}, file => 'docs.html');
    my $allow = join(' ', sort 'OPTIONS', map { $_ eq 'GET' ? ('GET', 'HEAD') : $_ } keys %{ $at{$path} });
    my $allowed = sub { join(' ', sort split(/\s*,\s*/, $_[0]{headers}{allow} // '')) };
    for my $method (grep { !$at{$path}{$_} } qw(GET POST PUT PATCH DELETE), 'PROPFIND') {
        my $r = $platform->call($method, $call);
        push @wrong, "$method $path: $r->{status}, Allow: " . $allowed->($r) unless $r->{status} == 405 && $allowed->($r) eq $allow;
    }
    my $r = $platform->options($call);
    push @wrong, "OPTIONS $path: $r->{status}, Allow: " . $allowed->($r) unless $r->{status} == 204 && $allowed->($r) eq $allow && $r->{body} eq '';
    next unless $at{$path}{GET};
    my ($get, $head) = ($platform->get($call), $platform->head($call));
    push @wrong, "HEAD $path: $head->{status}, GET $get->{status}" unless $head->{status} == $get->{status} && $head->{body} eq '';
    push @wrong, "HEAD $path: another type or length" if grep { ($head->{headers}{$_} // '') ne ($get->{headers}{$_} // '') } qw(content-type etag);
}
is_deeply(\@wrong, [], 'of ' . keys(%at) . ' paths: another method is 405 with Allow, OPTIONS is 204, HEAD is GET without its body');

$graph->stop;
errlog_ok($stack);
done_testing();
