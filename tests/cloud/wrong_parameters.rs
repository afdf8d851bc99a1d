//! A wrong parameter fails the deploy with a sentence that says what it must be.

use crate::cloud::{Cloud, repository};

#[test]
fn a_wrong_parameter_fails_the_deploy_with_a_sentence() {
    let cloud = Cloud::start();
    let arn = "CertificateArn=arn:aws:acm:us-east-1:000000000000:certificate/1";
    let cases: [(&[&str], &str); 12] = [
        (&["Door=Window"], "FunctionUrls"),
        (&["Architecture=riscv"], "arm64"),
        (&["DomainName=https://light.example.com"], "It must be a host name such as light.example.com"),
        (&["DomainName=light.example.com", arn], "deploy DomainName with Door=HttpApi"),
        (&["DomainName=light.example.com", "Door=HttpApi"], "DomainName needs CertificateArn"),
        (&["DomainPath=greenlight", "Door=HttpApi"], "DomainPath belongs to a DomainName"),
        (&["Door=HttpApi", "ServeMediaMode=RESPONSE_STREAM"], "An HTTP API does not stream"),
        (&["ExistingTable=restored"], "ExistingTable needs ExistingTableStream"),
        (&["AlarmEmail=nobody"], "It must be an e-mail address"),
        (&["WeChatUrl=api.weixin.qq.com"], "It must be a URL such as https://api.weixin.qq.com"),
        (&["LogLevel=debug"], "info"),
        (&["ThrottleRate=0"], "ThrottleRate"),
    ];
    for (parameters, says) in cases {
        let output = cloud.deploy(&repository().join("template.yaml"), "wrong", parameters);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{parameters:?}: {said}");
    }
    let stacks = cloud.aws(&["cloudformation", "describe-stacks"]);
    let names: Vec<_> = stacks["Stacks"].as_array().unwrap().iter().map(|stack| &stack["StackName"]).collect();
    assert!(!names.iter().any(|name| *name == "wrong"), "{names:?}");
}
