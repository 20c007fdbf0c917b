<?php
// Makes tokens as Laravel Sanctum 4 does (HasApiTokens::createToken): 40 random letters and digits and their CRC-32b, of which the
// table has the SHA-256. The bearer gets the id of the row, "|" and the token. Its migration makes this table.
$db = new PDO('pgsql:', null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$db->exec("CREATE TABLE personal_access_tokens (
    id bigserial PRIMARY KEY, tokenable_type varchar(255) NOT NULL, tokenable_id bigint NOT NULL, name varchar(255) NOT NULL,
    token varchar(64) NOT NULL UNIQUE, abilities text, last_used_at timestamp(0), expires_at timestamp(0),
    created_at timestamp(0), updated_at timestamp(0))");

function create_token(PDO $db, int $user, string $name, array $abilities, ?string $expires_at): string
{
    $letters = array_merge(range('0', '9'), range('A', 'Z'), range('a', 'z'));
    $entropy = '';
    for ($i = 0; $i < 40; $i++) {
        $entropy .= $letters[random_int(0, 61)];
    }
    $plain = $entropy . hash('crc32b', $entropy);
    $insert = $db->prepare("INSERT INTO personal_access_tokens
        (tokenable_type, tokenable_id, name, token, abilities, expires_at, created_at, updated_at)
        VALUES ('App\\Models\\User', ?, ?, ?, ?, ?, '2025-01-02 03:04:05', '2025-01-02 03:04:05') RETURNING id");
    $insert->execute([$user, $name, hash('sha256', $plain), json_encode($abilities), $expires_at]);
    return $insert->fetchColumn() . '|' . $plain;
}

echo 'good ', create_token($db, 7, 'laptop', ['posts-write', 'mail:read'], '2099-01-01 00:00:00'), "\n";
echo 'expired ', create_token($db, 7, 'old', ['*'], '2025-01-01 00:00:00'), "\n";
echo 'all ', create_token($db, 8, 'everything', ['*'], null), "\n";
