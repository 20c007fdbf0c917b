<?php
// Without emulation PDO sends parameters apart from the statement, so that no secret is in its text.
$db = new PDO("pgsql:", null, null, [PDO::ATTR_EMULATE_PREPARES => false]);
$secret = getenv("SECRET");

$verify = $db->prepare("SELECT code, metadata FROM token_auth.verify_token(?, 'email:read', ?)");
$verify->execute([$secret, "acme.example"]);
$token = $verify->fetch(PDO::FETCH_ASSOC);
echo $token["code"], " ", json_decode($token["metadata"])->plan, "\n";

$create = $db->prepare("SELECT name FROM token_auth.create_token(?, 'made', ?, all_domains => true, metadata => ?)");
$create->execute([1, "{email:read}", json_encode(["plan" => "free"])]);
echo $create->fetchColumn(), "\n";

$db->beginTransaction();
$authenticate = $db->prepare("SELECT code FROM token_auth.authenticate(?)");
$authenticate->execute([$secret]);
echo $authenticate->fetchColumn(), " ", $db->query("SELECT count(*) FROM message")->fetchColumn(), "\n";
$db->commit();

try {
    $db->prepare("SELECT token_auth.pause_token(?, account_id => ?)")->execute([1, null]);
} catch (PDOException $error) {
    echo $error->getCode(), "\n"; // PDO has no constraint name
}
