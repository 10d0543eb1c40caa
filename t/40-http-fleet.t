#!/usr/bin/perl
# In an existing fleet: each MPM, TLS and HTTP/2 in front, mod_remoteip behind a balancer, our modules in either order.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Wflows::Process qw(find_tool free_port read_file run wait_until write_file);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok need refused start_stack);

need('pg', 'redis', 'httpd');

my $tls_port = free_port();
# mod_ssl leaks OpenSSL's objects in its own post_config, with none of ours loaded, and from where cannot be told by LSan.
my %env = $ENV{WF_TEST_PRELOAD} ? (ASAN_OPTIONS => ($ENV{ASAN_OPTIONS} // '') . ':detect_leaks=0') : ();
my $stack = start_stack(only_stores => 1, httpd => { stock_modules => [qw(ssl socache_shmcb http2 remoteip)], env => \%env });
my $httpd = $stack->httpd;
my $acme = Wflows::Tenant->add($stack, slug => 'acme', flows => { booking => ['demo/appointment.json', 'demo/appointment.logic.json'] });

sub walk {
    my ($name) = @_;
    my $c = $acme->client(flow => 'booking', token => "tok-$name");
    answers($c->init, 'CHOOSE_SERVICE', "$name: INIT");
    answers($c->exchange('CHOOSE_SERVICE', { service => 'haircut', day => '2030-05-17' }), 'CHOOSE_TIME', "$name: data_exchange");
    answers($c->back('CHOOSE_TIME'), 'CHOOSE_SERVICE', "$name: BACK");
    refused($c->with(app_secret => 'wrong')->ping, 432, "$name: 432 is 432 on the wire");
}

# ---- each MPM, our modules in either order ----------------------------------------------------------------------

for my $mpm (qw(event worker prefork)) {
    local $httpd->{mpm_module} = $mpm;
    local $httpd->{own_modules} = $mpm eq 'worker' ? ['wflows_flows', 'wflows_tenant'] : ['wflows_tenant', 'wflows_flows'];
    $httpd->start;
    walk($mpm);
    $httpd->graceful;
    wait_until(5, sub { read_file($httpd->{error_log}) =~ /AH00493|AH00494|resuming normal operations.*resuming normal operations/s });
    walk("$mpm-again");
    $httpd->stop;
}

# ---- TLS, HTTP/2, a balancer -------------------------------------------------------------------------------------

my ($key, $cert) = map { "$stack->{dir}/tls.$_" } qw(key crt);
run(command => ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', $key, '-out', $cert, '-days', 2,
    '-subj', '/CN=flows.example.test'], check => 1);
$httpd->{main} .= <<"CONF";
Listen 127.0.0.1:$tls_port
SSLSessionCache shmcb:$stack->{dir}/tls-cache(65536)
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.1
LogFormat "%a %H %>s %U %{WFLOWS_COMPANY}e" fleet
CustomLog access.log fleet
<VirtualHost 127.0.0.1:$tls_port>
    ServerName flows.example.test
    SSLEngine On
    SSLCertificateFile $cert
    SSLCertificateKeyFile $key
    Protocols h2 http/1.1
</VirtualHost>
CONF
$httpd->start;
walk('plain');

sub by_curl {
    my ($protocol, $body, $signature) = @_;
    my $file = write_file("$stack->{dir}/body", $body);
    my $r = run(command => [find_tool('curl'), '-sk', $protocol, '--data-binary', "\@$file", '-H', 'Content-Type: application/json',
        '-H', "X-Hub-Signature-256: $signature", '-H', 'X-Forwarded-For: 203.0.113.7', '-w', '\n%{http_version} %{http_code}',
        "https://127.0.0.1:$tls_port/company/acme/flows/endpoint/booking"]);
    my ($content, $version, $status) = $r->{out} =~ /\A(.*)\n(\S+) (\d+)\z/s;
    return { version => $version, status => $status, content => $content };
}
my $client = $acme->client(flow => 'booking');
for my $case (['--http1.1', '1.1'], ['--http2', '2']) {
    my ($protocol, $version) = @$case;
    my $sealed = $client->seal('{"version":"3.0","action":"ping"}');
    my $r = by_curl($protocol, $sealed->{body}, $client->signature($sealed->{body}));
    is("$r->{version} $r->{status}", "$version 200", "HTTP/$version over TLS is answered");
    is($client->open_answer($r->{content}, $sealed->{key}, $sealed->{iv}), '{"data":{"status":"active"}}', 'and decrypts');
    $r = by_curl($protocol, $sealed->{body}, 'sha256=' . '0' x 64);
    is("$r->{version} $r->{status}", "$version 432", "HTTP/$version: 432 is 432 on the wire");
    is($r->{content}, '', 'and empty');
    $r = by_curl($protocol, $acme->client(flow => 'booking')->seal('x')->{body}, '');
    is($r->{status}, 432, 'as is a missing signature');
}
ok(wait_until(5, sub { read_file($httpd->{access_log}) =~ m{^203\.0\.113\.7 HTTP/2\.0 200 /company/acme/\S+ acme$}m }),
    'the access log has the client that mod_remoteip found, the protocol and the company');

errlog_ok($stack, ignore => [qr/\bWF04\d\d\b/, 'AH10034', 'AH01909', 'AH01906', 'AH02217', 'AH01873']);
done_testing();
