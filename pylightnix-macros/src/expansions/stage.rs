fn anneal(b: &Build<Anneal>) -> Result<AnnealOutputs> {
    let run = minimise(&b.ref_params.out.load()?, b.maxiter)?;
    Ok(AnnealOutputs {
        trace_xs: b.trace_xs.save(&run.xs)?,
        trace_fs: b.trace_fs.save(&run.fs)?,
        out: b.out.save(&run.best)?,
    })
}
#[automatically_derived]
#[allow(non_local_definitions)]
#[diagnostic::do_not_recommend]
impl ::pylightnix::plan::Stage for Anneal
where
    for<'__a> Anneal: ::pylightnix::lens::Config,
{
    type Card = ::pylightnix::lens::One;
    const NAME: &'static str = "anneal";
    const PLACE: ::pylightnix::__private::Place = ::pylightnix::__private::Place::new(
        ::std::module_path!(),
        ::std::option_env!("CARGO_PKG_VERSION"),
        ::std::file!(),
        ::std::line!(),
    );
    const NOUTS: usize = 3usize;
    const MATCHER: &'static str = "lowest(energy)";
    const TOKENS: &'static str = "fn anneal(b: &Build<Anneal>) -> Result<AnnealOutputs> {\n    let run = minimise(&b.ref_params.out.load()?, b.maxiter)?;\n    Ok(AnnealOutputs {\n        trace_xs: b.trace_xs.save(&run.xs)?,\n        trace_fs: b.trace_fs.save(&run.fs)?,\n        out: b.out.save(&run.best)?\n    })\n}";
    const USES: &'static [fn() -> ::pylightnix::__private::Tracked] = &[
        {
            #[allow(dead_code)]
            struct Helper {}
            {
                #[allow(unused_imports)]
                use minimise as Helper;
                <Helper as ::pylightnix::plan::Track>::tracked
            }
        },
        <Model as ::pylightnix::plan::Track>::tracked,
    ];
    #[allow(unexpected_cfgs)]
    const REACH: ::pylightnix::__private::Reach = ::pylightnix::__private::Reach::fallback(
        "the compiler does not say where it is written",
    );
    fn parameters() -> ::pylightnix::__private::Vec<::pylightnix::__private::String> {
        ::pylightnix::__private::Vec::from([])
    }
    fn matcher() -> ::pylightnix::__private::StageMatcher<Self> {
        #[allow(unused_imports)]
        use ::pylightnix::__private::matchers::*;
        ::pylightnix::__private::takes_one::<Self, _>(lowest(energy))
    }
    fn realize(
        build: &::pylightnix::lens::Build<Self>,
    ) -> ::pylightnix::Result<(), ::pylightnix::BoxError> {
        ::pylightnix::__private::submit! {
            { #[allow(unused_imports)] use ::pylightnix::__private::NoStage as _; <
            ::pylightnix::__private::Own < Anneal >> ::STAGE }
        }
        ::pylightnix::__private::finish::<Self, _>(anneal(build))
    }
}
