#[automatically_derived]
impl Anneal {
    ///Makes a config with these fields; the others have their defaults: `maxiter` is `500`.
    #[must_use]
    #[allow(
        dead_code,
        unreachable_pub,
        clippy::new_without_default,
        clippy::too_many_arguments
    )]
    pub fn new(ref_params: DRef<Params>) -> Self {
        Anneal {
            trace_xs: ::pylightnix::__private::promise(),
            trace_fs: ::pylightnix::__private::promise(),
            out: ::pylightnix::__private::promise(),
            ref_params,
            maxiter: Self::__default_maxiter(),
        }
    }
    #[doc(hidden)]
    fn __default_maxiter() -> u64 {
        500
    }
}
///The fields of [`Anneal`] in a plan, in its running stage, or in its result.
#[allow(dead_code, missing_debug_implementations, unreachable_pub)]
pub struct AnnealLens<P: ::pylightnix::lens::Phase> {
    ///`trace_xs` of [`Anneal`].
    pub trace_xs: P::Artifact<Npy<f64>, AnnealPromises::trace_xs>,
    ///`trace_fs` of [`Anneal`].
    pub trace_fs: P::Artifact<Npy<f64>, AnnealPromises::trace_fs>,
    /// The best place.
    pub out: P::Artifact<Npy<f64>, AnnealPromises::out>,
    ///`ref_params` of [`Anneal`].
    pub ref_params: P::Dep<DRef<Params>>,
    /// How many steps.
    pub maxiter: u64,
}
#[doc(hidden)]
#[allow(
    non_camel_case_types,
    non_snake_case,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub
)]
pub mod AnnealPromises {
    pub enum trace_xs {}
    pub enum trace_fs {}
    pub enum out {}
}
///The return type of a stage of [`Anneal`]: a proof for each promise that it was kept.
#[allow(dead_code, missing_debug_implementations, unreachable_pub)]
pub struct AnnealOutputs {
    ///The proof that `trace_xs` was saved.
    pub trace_xs: ::pylightnix::lens::Written<AnnealPromises::trace_xs>,
    ///The proof that `trace_fs` was saved.
    pub trace_fs: ::pylightnix::lens::Written<AnnealPromises::trace_fs>,
    ///The proof that `out` was saved.
    pub out: ::pylightnix::lens::Written<AnnealPromises::out>,
}
#[automatically_derived]
impl ::pylightnix::plan::StageValue<Anneal> for AnnealOutputs {}
#[automatically_derived]
#[allow(unused_variables, unused_mut)]
#[diagnostic::do_not_recommend]
impl ::pylightnix::lens::Config for Anneal {
    type Lens<P: ::pylightnix::lens::Phase> = AnnealLens<P>;
    type Outputs = AnnealOutputs;
    const PROMISES: &'static [::pylightnix::__private::Promise] = &[
        ::pylightnix::__private::Promise::new("trace_xs", "tracex.npy", "Npy<f64>"),
        ::pylightnix::__private::Promise::new("trace_fs", "tracef.npy", "Npy<f64>"),
        ::pylightnix::__private::Promise::new("out", "result.npy", "Npy<f64>"),
    ];
    fn lens<P: ::pylightnix::lens::Phase>(&self, from: &P::Source) -> Self::Lens<P> {
        AnnealLens {
            trace_xs: P::artifact(from, &Self::PROMISES[0usize]),
            trace_fs: P::artifact(from, &Self::PROMISES[1usize]),
            out: P::artifact(from, &Self::PROMISES[2usize]),
            ref_params: <DRef<
                Params,
            > as ::pylightnix::lens::Dependency>::view::<P>(&self.ref_params, from),
            maxiter: <u64 as ::pylightnix::__private::PlainField<_>>::view(&self.maxiter),
        }
    }
    fn write(
        &self,
        out: &mut ::pylightnix::config::ConfigWriter,
        omitted: &mut ::pylightnix::lens::Omitted,
    ) -> ::pylightnix::Result<()> {
        ::pylightnix::__private::write_promise(
            out,
            "trace_xs",
            &self.trace_xs,
            &Self::PROMISES[0usize],
        );
        ::pylightnix::__private::write_promise(
            out,
            "trace_fs",
            &self.trace_fs,
            &Self::PROMISES[1usize],
        );
        ::pylightnix::__private::write_promise(
            out,
            "out",
            &self.out,
            &Self::PROMISES[2usize],
        );
        <DRef<
            Params,
        > as ::pylightnix::lens::Dependency>::write(
            &self.ref_params,
            out.field("ref_params"),
        );
        <u64 as ::pylightnix::__private::PlainField<
            _,
        >>::write_unless(
            &self.maxiter,
            &Self::__default_maxiter(),
            out,
            omitted,
            "maxiter",
        )?;
        ::pylightnix::__private::Ok(())
    }
    fn unhashed(&self) -> ::pylightnix::Result<::pylightnix::lens::Omitted> {
        let mut unhashed = ::pylightnix::lens::Omitted::new();
        ::pylightnix::__private::Ok(unhashed)
    }
    fn visit(
        &self,
        visit: &mut dyn ::pylightnix::__private::FnMut(&::pylightnix::plan::AnyDRef),
    ) {
        <DRef<Params> as ::pylightnix::lens::Dependency>::visit(&self.ref_params, visit);
    }
    fn declare(
        fields: &mut ::pylightnix::config::Fields<'_>,
        wanted: &mut ::pylightnix::plan::Wanted,
    ) -> ::pylightnix::Result<()> {
        if let ::pylightnix::__private::Some(stored) = ::pylightnix::__private::there(
            fields,
            "ref_params",
        ) {
            let _ = <DRef<
                Params,
            > as ::pylightnix::lens::Dependency>::declare(&stored, wanted);
        }
        ::pylightnix::__private::Ok(())
    }
    fn revive(
        mut fields: ::pylightnix::config::Fields<'_>,
        revived: &::pylightnix::plan::Revived,
        planned: ::pylightnix::__private::Option<&Self>,
    ) -> ::pylightnix::Result<Self> {
        let mut misfits = <::pylightnix::__private::Misfits as ::pylightnix::__private::Default>::default();
        let __field_0 = misfits
            .note(
                ::pylightnix::__private::read_promise(
                    &mut fields,
                    "trace_xs",
                    &Self::PROMISES[0usize],
                ),
            );
        let __field_1 = misfits
            .note(
                ::pylightnix::__private::read_promise(
                    &mut fields,
                    "trace_fs",
                    &Self::PROMISES[1usize],
                ),
            );
        let __field_2 = misfits
            .note(
                ::pylightnix::__private::read_promise(
                    &mut fields,
                    "out",
                    &Self::PROMISES[2usize],
                ),
            );
        let __field_3 = match planned {
            ::pylightnix::__private::Some(planned) => {
                let _ = ::pylightnix::__private::there(&mut fields, "ref_params");
                ::pylightnix::__private::Some(
                    <DRef<
                        Params,
                    > as ::pylightnix::lens::Dependency>::kept(&planned.ref_params),
                )
            }
            ::pylightnix::__private::None => {
                ::pylightnix::__private::Misfits::note(
                    &mut misfits,
                    ::pylightnix::__private::stored(&mut fields, "ref_params")
                        .and_then(|stored| <DRef<
                            Params,
                        > as ::pylightnix::lens::Dependency>::revive(&stored, revived)),
                )
            }
        };
        let __field_4 = misfits
            .note(
                <u64 as ::pylightnix::__private::PlainField<
                    _,
                >>::read_or(&mut fields, "maxiter", || Self::__default_maxiter()),
            );
        misfits.end::<Self>(fields)?;
        ::pylightnix::__private::Ok(Anneal {
            trace_xs: ::pylightnix::__private::fitting(__field_0)?,
            trace_fs: ::pylightnix::__private::fitting(__field_1)?,
            out: ::pylightnix::__private::fitting(__field_2)?,
            ref_params: ::pylightnix::__private::fitting(__field_3)?,
            maxiter: ::pylightnix::__private::fitting(__field_4)?,
        })
    }
    fn is_exact() -> bool {
        true && <u64 as ::pylightnix::__private::PlainField<_>>::is_exact()
    }
}
